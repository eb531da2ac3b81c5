/** How long a provider's credential is passed over after upstream spoke against it. */
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

/** What upstream said against a credential. */
export interface CredentialRefusal {
  readonly classification: Classification
  readonly retryAfterMs: number | null
  /** The attempt was sent before the bench began: all that were under way together say the same thing once. */
  readonly beganBefore: boolean
}

/**
 * After a rate limit for as long as `Retry-After` says, or 30 s; after a refusal for a minute, doubling to an hour. A bench is
 * never shortened, and only a `Retry-After` makes it longer for what was sent before it began.
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

/** A clock that was put back to before the bench ends it, or it would last until it is that late again. */
export function isBenched(bench: CredentialBench, nowMs: number): boolean {
  return nowMs < bench.untilMs && nowMs >= bench.benchedAtMs
}
