/** How long a provider's credential is not used after the upstream refused it or its rate limit was reached. */
import type { Classification } from './classify-outcome.ts'

const rateLimitedMs = 30_000
const firstRefusedMs = 60_000
const longestRefusedMs = 3_600_000

export interface CredentialBench {
  readonly benchedAtMs: number
  readonly untilMs: number
  /** Times in a row that the credential was refused: the exponent of the back-off. */
  readonly refusals: number
  /** When the first of these refusals came, in milliseconds since the epoch; 0: there is none. */
  readonly refusedSinceMs: number
}

export const notBenched: CredentialBench = { benchedAtMs: 0, untilMs: 0, refusals: 0, refusedSinceMs: 0 }

/** A refusal of a credential by an upstream. */
export interface CredentialRefusal {
  readonly classification: Classification
  readonly retryAfterMs: number | null
  /** Whether the attempt was sent before the bench began: attempts that were in flight together count as one refusal. */
  readonly beganBefore: boolean
}

/**
 * The bench after a refusal. After a rate limit it lasts as long as `Retry-After` says, or 30 s; after another refusal a minute,
 * doubling up to an hour. A bench is never shortened, and attempts sent before it began extend it only by their `Retry-After`.
 */
export function benchCredential(bench: CredentialBench, refusal: CredentialRefusal, nowMs: number): CredentialBench {
  const isRunning = isBenched(bench, nowMs)
  if (isRunning && refusal.beganBefore && refusal.retryAfterMs === null) return bench
  const isRefused = refusal.classification !== 'RATE_LIMITED'
  const refusals = isRefused && !(refusal.beganBefore && bench.refusals > 0) ? bench.refusals + 1 : bench.refusals
  const untilMs = nowMs + (isRefused ? refusedMs(refusals) : (refusal.retryAfterMs ?? rateLimitedMs))
  const refusedSinceMs = refusals > 0 ? bench.refusedSinceMs || nowMs : 0
  if (!isRunning) return { benchedAtMs: nowMs, untilMs, refusals, refusedSinceMs }
  return { benchedAtMs: bench.benchedAtMs, untilMs: Math.max(bench.untilMs, untilMs), refusals, refusedSinceMs }
}

function refusedMs(refusals: number): number {
  return Math.min(firstRefusedMs * 2 ** Math.min(Math.max(refusals - 1, 0), 10), longestRefusedMs)
}

/** Whether the bench lasts. A clock that was set back to before its beginning ends it; otherwise it could last too long. */
export function isBenched(bench: CredentialBench, nowMs: number): boolean {
  return nowMs < bench.untilMs && nowMs >= bench.benchedAtMs
}
