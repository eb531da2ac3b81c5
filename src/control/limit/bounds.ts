import type { RateLimit } from '../../routing/limits/limit.ts'
import { collectMembers } from '../kit/collect-faults.ts'
import { refuseInput } from '../kit/refusal.ts'

/** Null members: not bounded. */
export type RateBounds = Pick<RateLimit, 'requestsPerMinute' | 'tokensPerMinute' | 'inFlight' | 'burst'>

const maxInFlight = 2 ** 31 - 1

/** Returns the bounds. Throws all their faults at their paths in the input. */
export function requireBounds(bounds: RateBounds): RateBounds {
  const sound = collectMembers<RateBounds>({
    requestsPerMinute: () => requireCount(bounds.requestsPerMinute, 'requestsPerMinute', Number.MAX_SAFE_INTEGER),
    tokensPerMinute: () => requireCount(bounds.tokensPerMinute, 'tokensPerMinute', Number.MAX_SAFE_INTEGER),
    inFlight: () => requireCount(bounds.inFlight, 'inFlight', maxInFlight),
    burst: () => requireBurst(bounds),
  })
  if (sound.requestsPerMinute === null && sound.tokensPerMinute === null && sound.inFlight === null)
    throw refuseInput(
      'INVALID',
      ['input'],
      'A limit without a bound would do nothing: give `requestsPerMinute`, `tokensPerMinute` or `inFlight`.',
    )
  return sound
}

function requireBurst({ burst, requestsPerMinute, tokensPerMinute, inFlight }: RateBounds): number | null {
  const isOfRate = requestsPerMinute !== null || tokensPerMinute !== null
  // If no bound is given, only that is reported, and not also that `burst` lacks a rate.
  if (burst !== null && !isOfRate && inFlight !== null)
    throw refuseInput('INVALID', ['input', 'burst'], 'A burst needs `requestsPerMinute` or `tokensPerMinute`.')
  return requireCount(burst, 'burst', Number.MAX_SAFE_INTEGER)
}

function requireCount(value: number | null, name: keyof RateBounds, most: number): number | null {
  if (value === null || (Number.isSafeInteger(value) && value >= 1 && value <= most)) return value
  throw refuseInput('INVALID', ['input', name], `It is a whole number from 1 to ${most}, or null: not bounded.`)
}
