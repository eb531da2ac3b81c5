/** How a call and the connection that carries it speak with each other. */
import type { Readable } from 'node:stream'
import type { AnswerHead } from './answer-head.ts'

/** A body in memory, or what opens a stream of it: called again if the request has to be sent once more. */
export type RequestContent = readonly Buffer[] | (() => Readable)

/** A POST to an upstream. */
export interface CallRequest {
  readonly origin: string
  /** Path and query. */
  readonly target: string
  /** Lines, each with its line break, `host` among them; what concerns the connection and the length of the body is not. */
  readonly headers: string
  readonly body: RequestContent
  /** Bytes of the body. */
  readonly length: number
}

/** What carries requests to an upstream. */
export interface UpstreamTransport {
  /** Sends a request. The callbacks of `receiver` may be called before this returns. */
  dispatch(request: CallRequest, receiver: AnswerReceiver): UpstreamExchange
}

/** A request in flight. Do not use it after its end or failure was reported. */
export interface UpstreamExchange {
  /** Pauses reading the answer; bytes that were read already are still delivered. */
  pause(): void
  resume(): void
  /** Closes the connection; no callback is called any more. */
  abort(): void
}

/** Told of a request under way. `onEnd` or `onFailure` is the last, and comes unless the request is aborted. */
export interface AnswerReceiver {
  /** There is a connection, and the request goes out on it. */
  onSending(): void
  /** Another part of the request was handed on, or all of it has gone out. */
  onSent(): void
  onHead(head: AnswerHead): void
  onBody(chunk: Buffer): void
  onEnd(): void
  onFailure(error: Error): void
  /**
   * The connection was one that had been used before, and ended before a byte of an answer: upstream closed it while the request
   * was on its way. The request goes out once more on a new connection. `exchange` takes the place of the former one.
   */
  onResend(exchange: UpstreamExchange): void
  /** Instead of `onFailure`: something threw, which is the gateway's own fault and says nothing about upstream. */
  fail?(error: unknown): void
}

/**
 * An exchange that failed by what upstream, or the body to be sent, did. `UPSTREAM_CLOSED`: the connection ended before the
 * answer did. `UPSTREAM_MALFORMED`: what came is no answer. `BODY_MISMATCH`: the body is not as long as was said.
 */
export class ExchangeError extends Error {
  override readonly name = 'ExchangeError'
  readonly code: 'UPSTREAM_CLOSED' | 'UPSTREAM_MALFORMED' | 'BODY_MISMATCH'

  constructor(code: ExchangeError['code']) {
    super(code)
    this.code = code
  }
}
