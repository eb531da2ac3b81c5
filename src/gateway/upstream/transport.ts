/** What carries requests to upstreams. `own`: this gateway's HTTP/1.1. `undici`: Node's own client. Proxies are undici's in any case. */
export const transportNames = ['own', 'undici'] as const
export type TransportName = (typeof transportNames)[number]
