import type { RateLimit } from './limit.ts'
import type { UnitsRate } from './leased-units.ts'

const burstsPerMinute = 10

/** The rate of requests; null if the limit does not bound them. */
export function requestRate({ requestsPerMinute, burst }: RateLimit): UnitsRate | null {
  if (requestsPerMinute === null) return null
  return { perMinute: requestsPerMinute, burst: Math.max(1, burst ?? Math.floor(requestsPerMinute / burstsPerMinute)) }
}

/**
 * The rate of tokens; null if the limit does not bound them. The burst of tokens is the same fraction of the rate as the burst of
 * requests; if requests are not bounded, `burst` counts tokens.
 */
export function tokenRate({ requestsPerMinute, tokensPerMinute, burst }: RateLimit): UnitsRate | null {
  if (tokensPerMinute === null) return null
  const stated = burst === null || requestsPerMinute === null ? burst : (tokensPerMinute / requestsPerMinute) * burst
  return { perMinute: tokensPerMinute, burst: Math.max(1, Math.floor(stated ?? tokensPerMinute / burstsPerMinute)) }
}
