/** What carries requests to upstreams. `own`: this gateway's HTTP/1.1. `undici`: Node's own client. Proxies are undici's in any case. */
export const upstreamTransports = ['own', 'undici'] as const
export type UpstreamTransport = (typeof upstreamTransports)[number]
