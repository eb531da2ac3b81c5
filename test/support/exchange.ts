/** One request to an upstream of a test, and the way to answer it. */
import type { IncomingHttpHeaders, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

export interface UpstreamRequest {
  /** From 0, in the order of arrival. */
  readonly index: number
  readonly method: string
  /** With the query string, as it came. */
  readonly path: string
  readonly headers: IncomingHttpHeaders
  /** Name, value, name, value, …: as they came, with case and repetitions. */
  readonly rawHeaders: readonly string[]
  /** The raw bytes, as far as they came; whole when the reply begins, unless `waitForBody` is false. */
  readonly body: Buffer
  readonly json: () => Record<string, unknown>
  /** `performance.now()` when the headers had arrived. */
  readonly arrivedAtMs: number
  /** Settles when the exchange is over: the answer was sent whole, or the connection closed. Never rejects. */
  readonly closed: Promise<void>
  /** `performance.now()` of that moment. */
  readonly closedAtMs: number | undefined
  /** Whether the answer was sent whole. */
  readonly finished: boolean
  /** Which connection it came on, from 0. */
  readonly connection: number
}

export interface Exchange {
  readonly request: UpstreamRequest
  readonly response: ServerResponse
  readonly socket: Socket
  readonly upstream: UpstreamIdentity
}

export type Reply = (exchange: Exchange) => void | Promise<void>

export interface UpstreamIdentity {
  readonly name: string
  readonly models: readonly string[]
}
