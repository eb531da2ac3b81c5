import type { RateLimit } from './limit.ts'
import type { UnitsRate } from './leased-units.ts'

const burstsPerMinute = 10

/** Null: requests are not bounded by it. */
export function requestRate({ requestsPerMinute, burst }: RateLimit): UnitsRate | null {
  if (requestsPerMinute === null) return null
  return { perMinute: requestsPerMinute, burst: Math.max(1, burst ?? Math.floor(requestsPerMinute / burstsPerMinute)) }
}

/**
 * The burst of tokens is the same part of a minute's worth as that of requests; where requests are not bounded it is stated in tokens.
 * Null: tokens are not bounded by it.
 */
export function tokenRate({ requestsPerMinute, tokensPerMinute, burst }: RateLimit): UnitsRate | null {
  if (tokensPerMinute === null) return null
  const stated = burst === null || requestsPerMinute === null ? burst : (tokensPerMinute / requestsPerMinute) * burst
  return { perMinute: tokensPerMinute, burst: Math.max(1, Math.floor(stated ?? tokensPerMinute / burstsPerMinute)) }
}
