import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import { AnswerHead, type HeaderPair } from '../http1/client/answer-head.ts'
import { maxWholeBytes, streamOf } from '../http1/client/body-stream.ts'
import type { AnswerReceiver, CallRequest, UpstreamExchange, UpstreamTransport } from '../http1/client/exchange.ts'
import type { ObservedClient, ConnectionObserver } from './observed-client.ts'

/** Carries requests by undici: through proxies, which are many things; and everywhere, where the operator prefers that. */
export class UndiciTransport implements UpstreamTransport {
  readonly #dispatcher: Dispatcher

  /** Its connections should be those of a `ObservedClient`: else one that dies before a byte of an answer is a failure. */
  constructor(dispatcher: Dispatcher) {
    this.#dispatcher = dispatcher
  }

  dispatch(request: CallRequest, receiver: AnswerReceiver): UpstreamExchange {
    const exchange = new UndiciExchange(this.#dispatcher, request, receiver)
    exchange.send(request)
    return exchange
  }
}

/** A request that may be sent more than once. */
class UndiciExchange implements UpstreamExchange {
  readonly #dispatcher: Dispatcher
  /** Null: it will not be sent again, and its body need not be kept for that. */
  #request: CallRequest | null
  readonly #receiver: AnswerReceiver
  #sending: Sending | null = null

  constructor(dispatcher: Dispatcher, request: CallRequest, receiver: AnswerReceiver) {
    this.#dispatcher = dispatcher
    this.#request = request
    this.#receiver = receiver
  }

  send({ origin, target, headers, body, length }: CallRequest): void {
    const isStream = typeof body === 'function' || length > maxWholeBytes
    const stream = isStream ? streamOf(body) : null
    const pairs = pairsOf(headers)
    if (stream) pairs.push('content-length', String(length))
    const sending = new Sending(this.#receiver, stream, () => this.#sendAgain())
    this.#sending = sending
    const sent = stream ?? Buffer.concat(body as readonly Buffer[])
    this.#dispatcher.dispatch({ origin, path: target, method: 'POST', headers: pairs, body: sent }, sending)
    if (!sending.isResendable) this.#request = null
  }

  /** Each time with another connection: the one that was lost is gone, and there are no more than are idle. */
  #sendAgain(): void {
    const request = this.#request!
    this.#receiver.onResend(this)
    if (!this.#sending?.isAborted) this.send(request)
  }

  pause(): void {
    this.#sending?.pause()
  }

  resume(): void {
    this.#sending?.resume()
  }

  abort(): void {
    this.#sending?.abort()
  }
}

/** Name, value, name, value, … */
function pairsOf(lines: string): string[] {
  return lines
    .split('\r\n')
    .filter((line) => line !== '')
    .flatMap((line) => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon), line.slice(colon + 1).trim()]
    })
}

/** Undici's errors for a connection that ended; other errors concern the answer, the body or TLS. */
const endCodes = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT'])

/** One request on one connection. */
class Sending implements ConnectionObserver {
  isAborted = false
  /** What carries it was used before: as long as no byte of an answer has come, it may be sent once more. */
  isResendable = false
  readonly #receiver: AnswerReceiver
  readonly #body: Readable | null
  readonly #sendAgain: () => void
  #controller: Dispatcher.DispatchController | null = null
  #client: ObservedClient | null = null
  /** The end of the connection is the end of the body. */
  #endsWithConnection = false

  constructor(receiver: AnswerReceiver, body: Readable | null, sendAgain: () => void) {
    this.#receiver = receiver
    this.#body = body
    this.#sendAgain = sendAgain
  }

  pause(): void {
    this.#controller?.pause()
  }

  resume(): void {
    this.#controller?.resume()
  }

  abort(): void {
    this.isAborted = true
    this.#controller?.abort(new Error('closed by the gateway'))
    this.#body?.destroy()
  }

  onClient(client: ObservedClient, isReused: boolean): void {
    this.#client = client
    this.isResendable = isReused
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.isAborted) controller.abort(new Error('abandoned'))
    else this.#receiver.onSending()
  }

  /** A part was handed to the socket; of a stream, the next one follows when there is room for it. */
  onBodySent(): void {
    if (!this.isAborted) this.#receiver.onSent()
  }

  onRequestSent(): void {
    if (!this.isAborted) this.#receiver.onSent()
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    if (this.isAborted || status < 200) return
    const head = headOf(status, headers)
    const isBodiless = status === 204 || status === 304
    this.#endsWithConnection = !isBodiless && head.contentLength === null && head.transferEncoding === null
    this.#receiver.onHead(head)
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.isAborted) this.#receiver.onBody(chunk)
  }

  onResponseEnd(): void {
    if (this.isAborted) return
    // Undici takes a reset for the end of a body without a length, but it says nothing of where that ends.
    if (this.#endsWithConnection && this.#client?.wasReset) this.#receiver.onFailure(resetError())
    else this.#receiver.onEnd()
  }

  onResponseError(_: Dispatcher.DispatchController | null, error: Error): void {
    // Undici lets go only of what it has begun to send.
    this.#body?.destroy()
    if (this.isAborted) return
    const { code } = error as NodeJS.ErrnoException
    const isLost = this.isResendable && code !== undefined && endCodes.has(code) && !this.#client?.hasAnswerBegun
    if (isLost) this.#sendAgain()
    else this.#receiver.onFailure(error)
  }
}

function resetError(): Error {
  return Object.assign(new Error('the connection was reset'), { code: 'ECONNRESET' })
}

function headOf(status: number, headers: IncomingHttpHeaders): AnswerHead {
  const pairs = Object.entries(headers).flatMap(([name, value]) =>
    [value ?? []].flat().map((one): HeaderPair => [name, one]),
  )
  const head = new AnswerHead(status, pairs)
  for (const [name, value] of pairs) head.add(name, value)
  return head
}
