/** The port through which commands call upstreams. The server implements it. */

export interface UpstreamHttp {
  /**
   * Makes one call. Forbidden addresses are refused at the connection, redirects are returned and not followed, and the call ends
   * within `timeoutMs`. Never throws for a failure of the upstream.
   */
  send(request: UpstreamHttpRequest): Promise<UpstreamHttpResult>
}

export interface UpstreamHttpRequest {
  readonly method: 'GET' | 'POST'
  readonly url: string
  readonly headers: ReadonlyMap<string, string>
  readonly body: Buffer | null
  readonly proxyUrl: string | null
  /** PEM of authorities that are trusted besides the system's. */
  readonly caCertificates: string | null
  /** For the whole call, in milliseconds. */
  readonly timeoutMs: number
  /** The body of the answer is cut after this many bytes. */
  readonly maxBytes: number
}

export type UpstreamHttpResult =
  | {
      readonly kind: 'answer'
      readonly status: number
      readonly body: Buffer
      readonly isCut: boolean
      readonly latencyMs: number
    }
  | { readonly kind: 'failure'; readonly cause: UpstreamFailure; readonly latencyMs: number }

/** Why there is no answer. */
export type UpstreamFailure =
  | 'FORBIDDEN_ADDRESS'
  | 'UNKNOWN_HOST'
  | 'REFUSED'
  | 'UNREACHABLE'
  | 'TLS'
  | 'NOT_HTTP'
  | 'PROXY'
  | 'BROKEN_OFF'
  | 'TIMEOUT'
  | 'OTHER'
