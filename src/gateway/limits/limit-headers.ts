import type { Protocol } from '../../routing/vendors/operation.ts'
import type { LeasedUnits } from '../../routing/limits/leased-units.ts'
import type { RateBucket } from '../../routing/limits/rate-bucket.ts'
import { monotonicMs } from '../loop/monotonic.ts'

/**
 * Adds what is left of the narrowest limits, of requests and of tokens, as clients of the protocol read it. Formats:
 * https://platform.openai.com/docs/guides/rate-limits (durations such as `6m0s`), https://docs.anthropic.com/en/api/rate-limits (instants).
 */
export function addLimitHeaders(headers: string[], buckets: readonly RateBucket[], protocol: Protocol): void {
  const nowMs = monotonicMs()
  addUnits(headers, 'requests', narrowest(buckets, nowMs, requestsOf), protocol, nowMs)
  addUnits(headers, 'tokens', narrowest(buckets, nowMs, tokensOf), protocol, nowMs)
}

const requestsOf = ({ requests }: RateBucket) => requests
const tokensOf = ({ tokens }: RateBucket) => tokens

function narrowest(
  buckets: readonly RateBucket[],
  nowMs: number,
  unitsOf: (bucket: RateBucket) => LeasedUnits | null,
): LeasedUnits | null {
  let found: LeasedUnits | null = null
  for (const bucket of buckets) {
    const units = bucket.isEnforced ? unitsOf(bucket) : null
    if (units && (!found || units.left(nowMs) < found.left(nowMs))) found = units
  }
  return found
}

function addUnits(
  headers: string[],
  unit: 'requests' | 'tokens',
  units: LeasedUnits | null,
  protocol: Protocol,
  nowMs: number,
): void {
  if (!units) return
  const limit = String(units.rate.perMinute)
  const remaining = String(Math.max(0, Math.floor(units.left(nowMs))))
  const resetMs = units.untilFullMs(nowMs)
  if (protocol === 'anthropic') {
    const reset = new Date(Date.now() + resetMs).toISOString()
    const name = `anthropic-ratelimit-${unit}`
    headers.push(`${name}-limit`, limit, `${name}-remaining`, remaining, `${name}-reset`, reset)
  } else {
    headers.push(`x-ratelimit-limit-${unit}`, limit, `x-ratelimit-remaining-${unit}`, remaining)
    headers.push(`x-ratelimit-reset-${unit}`, durationText(resetMs))
  }
}

/** As Go writes it, which is what OpenAI's own headers look like. */
function durationText(ms: number): string {
  if (ms < 1_000) return `${ms}ms`
  const seconds = Math.ceil(ms / 10) / 100
  const minutes = Math.floor(seconds / 60)
  const rest = Math.round((seconds - minutes * 60) * 100) / 100
  return minutes === 0 ? `${rest}s` : `${minutes}m${rest}s`
}
