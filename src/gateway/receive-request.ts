/** Reads what a client sends until it is known what is asked for: a JSON object, or a form. */
import type { Operation } from '../routing/operation.ts'
import type { Exchange } from './downstream/exchange.ts'
import { FormRequest } from './form-request.ts'
import { JsonRequest } from './json-request.ts'
import { boundaryOf } from './multipart-boundary.ts'
import { MultipartScan } from './multipart-scan.ts'
import type { ReceivedRequest } from './received-request.ts'
import { type BodyEnd, type BoundedBodyReader, RequestBody, type SilenceWatch } from './request-body.ts'
import { bodyKindOf, type Fault } from './request-edges.ts'
import { RequestScan } from './request-scan.ts'
import { SpooledBody } from './spooled-body.ts'

/** Called once, unless the client leaves before. */
export type Received = (result: ReceivedRequest | Fault) => void

export interface ReceiveOptions {
  readonly exchange: Exchange
  readonly operation: Operation
  readonly maxRequestBytes: number
  readonly silence: SilenceWatch
  /** Told of more bytes in memory. */
  readonly hold: (bytes: number) => void
  /** Told, instead of `Received`, of what is the gateway's own fault. */
  readonly fail: (error: Error) => void
}

/** A request on its way in. */
export interface Reception {
  readonly body: RequestBody
  /** Nothing of it is needed any more. */
  [Symbol.dispose](): void
}

/** What `body.begin` reads; a fault if it cannot be read at all. */
export function receiveRequest(options: ReceiveOptions, received: Received): Reception | Fault {
  const { head } = options.exchange
  if (bodyKindOf(head, options.operation) !== 'multipart') return new JsonReception(options, received)
  const boundary = boundaryOf(head.contentType)
  if (boundary !== undefined) return new FormReception(options, boundary, received)
  return { code: 'invalid_multipart', detail: 'its Content-Type must name one boundary' }
}

export function isFault(result: object): result is Fault {
  return 'code' in result
}

function faultOf(end: Exclude<BodyEnd, 'whole'>): Fault {
  switch (end) {
    case 'malformed':
      return { code: 'bad_request', detail: 'its chunks cannot be read' }
    case 'tooLarge':
      return { code: 'request_too_large' }
    case 'silent':
      return { code: 'request_timeout' }
  }
}

function openBody({ exchange, maxRequestBytes, silence }: ReceiveOptions, reader: BoundedBodyReader): RequestBody {
  return new RequestBody(exchange, maxRequestBytes, silence, reader)
}

class JsonReception implements Reception, BoundedBodyReader {
  readonly body: RequestBody
  readonly #operation: Operation
  readonly #hold: ReceiveOptions['hold']
  readonly #received: Received
  readonly #scan: RequestScan
  #chunks: Buffer[] = []

  constructor(options: ReceiveOptions, received: Received) {
    this.#operation = options.operation
    this.#scan = new RequestScan(options.operation.streamFlag)
    this.#hold = options.hold
    this.#received = received
    this.body = openBody(options, this)
  }

  onChunk(chunk: Buffer): void {
    this.#hold(chunk.length)
    this.#chunks.push(chunk)
    this.#scan.push(chunk)
  }

  onBodyEnd(end: BodyEnd): void {
    if (end !== 'whole') return this.#received(faultOf(end))
    const chunks = this.#chunks
    // Whoever gets them lets them go before this is gone.
    this.#chunks = []
    const result = this.#scan.finish()
    if (!result.ok) return this.#received({ code: result.fault })
    this.#received(new JsonRequest(this.#operation, result.request, chunks, this.body.size))
  }

  [Symbol.dispose](): void {
    this.body.leave()
  }
}

class FormReception implements Reception, BoundedBodyReader {
  readonly body: RequestBody
  readonly #options: ReceiveOptions
  readonly #received: Received
  readonly #scan: MultipartScan
  readonly #spooled = new SpooledBody((error) => this.#end(() => this.#options.fail(error)))
  #isOver = false

  constructor(options: ReceiveOptions, boundary: string, received: Received) {
    this.#options = options
    this.#received = received
    this.#scan = new MultipartScan(boundary, options.operation.streamFlag)
    this.body = openBody(options, this)
  }

  onChunk(chunk: Buffer): void {
    const before = this.#spooled.heldBytes
    this.#scan.push(chunk)
    if (!this.#spooled.push(chunk)) this.#waitForDisk()
    this.#options.hold(this.#spooled.heldBytes - before)
  }

  onBodyEnd(end: BodyEnd): void {
    if (end !== 'whole') return this.#end(() => this.#received(faultOf(end)))
    // A failure has been told already.
    this.#spooled.flushed().then(() => this.#end(() => this.#received(this.#read())), ignore)
  }

  [Symbol.dispose](): void {
    this.#end(ignore)
    this.#spooled[Symbol.dispose]()
  }

  #read(): ReceivedRequest | Fault {
    const result = this.#scan.finish()
    return result.ok ? new FormRequest(result.form, this.#spooled) : result.fault
  }

  /** Whatever comes first is how it ends. */
  #end(tell: () => void): void {
    if (this.#isOver) return
    this.#isOver = true
    this.body.leave()
    tell()
  }

  #waitForDisk(): void {
    const { exchange } = this.#options
    exchange.holdBody(true)
    const resume = () => exchange.holdBody(false)
    this.#spooled.flushed().then(resume, resume)
  }
}

function ignore(): void {}
