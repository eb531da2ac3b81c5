/** The port through which commands call upstreams; the server plugs it in. */

export interface UpstreamHttp {
  /**
   * One call. Addresses that may not be called are refused at the connection, redirects are answers, and all of it ends in
   * time. Never throws for what the upstream does.
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
  /** The answer's body is cut off behind so many bytes. */
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
