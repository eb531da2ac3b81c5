/** Reads the body of a request, a JSON object or a form, until the model is known. */
import type { Operation } from '../../routing/vendors/operation.ts'
import type { BodyShare } from '../body/budget.ts'
import { BodyPieces } from '../body/pieces.ts'
import { type ContentCoding, DecodedBody, decoderBytes } from '../body/decoded-body.ts'
import type { Exchange } from '../http1/server/exchange.ts'
import { FormRequest } from '../body/form-request.ts'
import { JsonRequest } from '../body/json-request.ts'
import { boundaryOf } from '../body/multipart-boundary.ts'
import { MultipartScan } from '../body/multipart-scan.ts'
import type { ReceivedRequest } from '../body/received.ts'
import {
  type BodyEnd,
  type BoundedBodyReader,
  type IncomingBody,
  RequestBody,
  type SilenceWatch,
} from '../body/request-body.ts'
import { bodyKindOf, codingOf, type Fault } from '../body/request-faults.ts'
import { RequestScan } from '../body/request-scan.ts'
import { SpooledBody } from '../body/spooled-body.ts'

/** Called once, unless the client leaves before. */
export type ReceiveCallback = (result: ReceivedRequest | Fault) => void

export interface ReceiveOptions {
  readonly exchange: Exchange
  readonly operation: Operation
  /** The model that the path names, for a body that names none; null: it names none either. */
  readonly modelInPath: string | null
  readonly maxRequestBytes: number
  readonly silence: SilenceWatch
  /** Of what all bodies may hold. It is the caller's to dispose of. */
  readonly share: BodyShare
  /** Called instead of `ReceiveCallback` for an error of the gateway itself. */
  readonly fail: (error: unknown) => void
}

/** A request on its way in. */
export interface IncomingRequest {
  readonly body: IncomingBody
  /** Nothing of it is needed any more. */
  [Symbol.dispose](): void
}

/** What `body.begin` reads; a fault if it cannot be read at all. */
export function receiveRequest(options: ReceiveOptions, received: ReceiveCallback): IncomingRequest | Fault {
  const { head } = options.exchange
  const coding = codingOf(head)
  if (coding !== null && !options.share.hold(decoderBytes[coding])) return { code: 'overloaded' }
  if (bodyKindOf(head, options.operation) !== 'multipart') return new JsonReception(options, coding, received)
  const boundary = boundaryOf(head.contentType)
  if (boundary !== undefined) return new FormReception(options, coding, boundary, received)
  return { code: 'invalid_multipart', detail: 'its Content-Type must name one boundary' }
}

export function isFault(result: object): result is Fault {
  return 'code' in result
}

function faultOf(end: Exclude<BodyEnd, 'whole'>): Fault {
  switch (end) {
    case 'malformed':
      return { code: 'bad_request', detail: 'its chunks cannot be read' }
    case 'undecodable':
      return { code: 'bad_request', detail: 'its body is not what its content-encoding says' }
    case 'tooLarge':
      return { code: 'request_too_large' }
    case 'silent':
      return { code: 'request_timeout' }
    case 'overloaded':
      return { code: 'overloaded' }
  }
}

function openBody(options: ReceiveOptions, coding: ContentCoding | null, reader: BoundedBodyReader): IncomingBody {
  const { exchange, maxRequestBytes, silence } = options
  if (coding === null) return new RequestBody(exchange, maxRequestBytes, silence, reader)
  return new DecodedBody({ exchange, coding, maxBytes: maxRequestBytes, silence }, reader)
}

class JsonReception implements IncomingRequest, BoundedBodyReader {
  readonly body: IncomingBody
  readonly #options: ReceiveOptions
  readonly #received: ReceiveCallback
  readonly #scan: RequestScan
  readonly #pieces = new BodyPieces()
  #size = 0

  constructor(options: ReceiveOptions, coding: ContentCoding | null, received: ReceiveCallback) {
    this.#options = options
    this.#scan = new RequestScan(options.operation.streamFlag)
    this.#received = received
    this.body = openBody(options, coding, this)
  }

  onChunk(chunk: Buffer): void {
    if (!this.#options.share.hold(chunk.length)) return this.body.giveUp('overloaded')
    this.#size += chunk.length
    this.#pieces.add(chunk)
    this.#scan.push(chunk)
  }

  onBodyEnd(end: BodyEnd): void {
    this.#options.share.endReceiving()
    // The receiver releases them before this object ends.
    const pieces = this.#pieces.take()
    if (end !== 'whole') return this.#refuse(faultOf(end))
    const { operation, modelInPath } = this.#options
    const result = this.#scan.finish(modelInPath)
    if (!result.ok) return this.#refuse({ code: result.fault })
    this.#received(new JsonRequest(operation, result.request, pieces, this.#size))
  }

  fail(error: unknown): void {
    this.#options.fail(error)
  }

  [Symbol.dispose](): void {
    this.body.leave()
  }

  /** Its client may take its time to read why: meanwhile the body is of no use to anybody. */
  #refuse(fault: Fault): void {
    this.#options.share.releaseMemory()
    this.#received(fault)
  }
}

class FormReception implements IncomingRequest, BoundedBodyReader {
  readonly body: IncomingBody
  readonly #options: ReceiveOptions
  readonly #boundary: string
  readonly #received: ReceiveCallback
  readonly #scan: MultipartScan
  readonly #spooled: SpooledBody
  #isOver = false

  constructor(options: ReceiveOptions, coding: ContentCoding | null, boundary: string, received: ReceiveCallback) {
    this.#options = options
    this.#boundary = boundary
    this.#received = received
    this.#scan = new MultipartScan(boundary, options.operation.streamFlag)
    this.#spooled = new SpooledBody(options.share, (error) => this.fail(error))
    this.body = openBody(options, coding, this)
  }

  onChunk(chunk: Buffer): void {
    this.#scan.push(chunk)
    const taken = this.#spooled.push(chunk)
    if (taken === 'noRoom') this.body.giveUp('overloaded')
    else if (taken === 'busy') this.#waitForDisk()
  }

  onBodyEnd(end: BodyEnd): void {
    this.#options.share.endReceiving()
    if (end !== 'whole') return this.#end(() => this.#refuse(faultOf(end)))
    this.#spooled.flushed().then(
      () => this.#end(() => this.#received(this.#read())),
      // A failure was reported already.
      ignore,
    )
  }

  fail(error: unknown): void {
    this.#end(() => this.#options.fail(error))
  }

  [Symbol.dispose](): void {
    this.#end(ignore)
    this.#spooled[Symbol.dispose]()
  }

  #read(): ReceivedRequest | Fault {
    const result = this.#scan.finish(this.#options.modelInPath)
    return result.ok ? new FormRequest(result.form, this.#spooled, this.#boundary) : result.fault
  }

  #refuse(fault: Fault): void {
    this.#spooled[Symbol.dispose]()
    this.#received(fault)
  }

  /**
   * The first call decides how the request ends. A promise may call this, so errors are reported instead of thrown: a rejection would
   * end the process.
   */
  #end(tell: () => void): void {
    if (this.#isOver) return
    this.#isOver = true
    this.body.leave()
    try {
      tell()
    } catch (error) {
      this.#options.fail(error)
    }
  }

  #waitForDisk(): void {
    this.body.hold(true)
    const resume = () => {
      if (!this.#isOver) this.body.hold(false)
    }
    this.#spooled.flushed().then(resume, resume)
  }
}

function ignore(): void {}
