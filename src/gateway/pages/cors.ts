/** Cross-origin requests of web pages (https://fetch.spec.whatwg.org/#http-cors-protocol). */
import type { Exchange } from '../http1/server/exchange.ts'

/** Origins whose pages may use the gateway, or all. */
export type CorsOrigins = '*' | ReadonlySet<string>

/** What pages may read besides the headers that are always theirs. */
const exposedHeaders = [
  'request-id',
  'retry-after',
  'retry-after-ms',
  'x-ratelimit-limit-requests',
  'x-ratelimit-limit-tokens',
  'x-ratelimit-remaining-requests',
  'x-ratelimit-remaining-tokens',
  'x-ratelimit-reset-requests',
  'x-ratelimit-reset-tokens',
  'x-request-id',
  'x-should-retry',
  'x-signalbox-attempts',
  'x-signalbox-backend',
  'x-signalbox-fallback',
  'x-signalbox-revision',
  'x-signalbox-route',
].join(', ')

/** No browser keeps an answer for longer than two hours. */
const maxAgeSeconds = 7_200

/** Adds to whatever is answered that a page of this origin may read it. True: it was only asked whether it may, and is answered. */
export function answerCors(exchange: Exchange, origins: CorsOrigins): boolean {
  const allowed = allowedOrigin(exchange.head.origin, origins)
  // A cache must not give the answer for one page to another.
  const lines = origins === '*' ? '' : 'vary: origin\r\n'
  exchange.commonLines = lines
  if (allowed === null) return false
  exchange.commonLines += `access-control-allow-origin: ${allowed}\r\n`
  const { method, preflight } = exchange.head
  if (method === 'OPTIONS' && preflight?.['access-control-request-method'] !== undefined) {
    answerPreflight(exchange)
    return true
  }
  exchange.commonLines += `access-control-expose-headers: ${exposedHeaders}\r\n`
  return false
}

function allowedOrigin(origin: string | null, origins: CorsOrigins): string | null {
  if (origin === null) return null
  if (origins === '*') return '*'
  return origins.has(origin.toLowerCase()) ? origin : null
}

/** Whatever headers the page wants to send: those that do not pass are left out, as from any other client. */
function answerPreflight(exchange: Exchange): void {
  const wanted = exchange.head.preflight!
  const headers = [
    'access-control-allow-methods',
    'GET, POST',
    'access-control-max-age',
    String(maxAgeSeconds),
    'vary',
    'access-control-request-method, access-control-request-headers',
  ]
  const names = wanted['access-control-request-headers']
  if (names) headers.push('access-control-allow-headers', names)
  if (wanted['access-control-request-private-network'] === 'true')
    headers.push('access-control-allow-private-network', 'true')
  exchange.answer(204, headers, Buffer.alloc(0))
}
