/** How long a provider's credential is passed over after upstream spoke against it (DESIGN § 4.1). */
import type { Classification } from './classify.ts'

const rateLimitedMs = 30_000
const firstRefusedMs = 60_000
const longestRefusedMs = 3_600_000

export interface CredentialBench {
  readonly benchedAtMs: number
  readonly untilMs: number
  /** 401s and 403s in a row: the exponent of the back-off. */
  readonly refusals: number
}

export const notBenched: CredentialBench = { benchedAtMs: 0, untilMs: 0, refusals: 0 }

/** After a 429 for as long as `Retry-After` says, or 30 s; after a 401 or 403 for a minute, doubling to an hour. */
export function benchCredential(
  bench: CredentialBench,
  classification: Classification,
  retryAfterMs: number | null,
  nowMs: number,
): CredentialBench {
  if (classification === 'RATE_LIMITED') {
    return { benchedAtMs: nowMs, untilMs: nowMs + (retryAfterMs ?? rateLimitedMs), refusals: bench.refusals }
  }
  const refusals = bench.refusals + 1
  const forMs = Math.min(firstRefusedMs * 2 ** Math.min(refusals - 1, 10), longestRefusedMs)
  return { benchedAtMs: nowMs, untilMs: nowMs + forMs, refusals }
}

/** A clock that was put back to before the bench ends it, or it would last until it is that late again. */
export function isBenched(bench: CredentialBench, nowMs: number): boolean {
  return nowMs < bench.untilMs && nowMs >= bench.benchedAtMs
}
