import { monotonicMs } from '../loop/monotonic.ts'

/**
 * A record may end this much before the ledger's time when it is written down. What is said to be complete stays as far behind, so that
 * it never passes a record that is yet to come.
 */
export const toleranceMs = 1_000

/**
 * The time by which requests count as usage: the database's, carried on by what only goes forward. Steps of this machine's clock
 * do not move it. Before the database has been heard of, this machine's clock is all there is.
 */
export class LedgerClock {
  /** By `monotonicMs`; null until the database has answered. */
  #offsetMs: number | null = null

  now(): number {
    return this.#offsetMs === null ? Date.now() : Math.round(monotonicMs() + this.#offsetMs)
  }

  /** How far this machine's clock is behind it, in milliseconds; 0 if that is little. */
  lagMs(): number {
    const lagMs = this.now() - Date.now()
    return Math.abs(lagMs) < toleranceMs ? 0 : lagMs
  }

  /**
   * The database said that it was `databaseMs` (milliseconds since the epoch) at an instant between `askedAtMs` and now (`monotonicMs`).
   * A small difference is left alone: each correction backwards would let records end before what was complete.
   */
  follow(databaseMs: number, askedAtMs: number): void {
    const answeredAtMs = monotonicMs()
    if (answeredAtMs - askedAtMs > toleranceMs) return
    const offsetMs = databaseMs - (askedAtMs + answeredAtMs) / 2
    const ownMs = this.#offsetMs ?? Date.now() - answeredAtMs
    this.#offsetMs = Math.abs(ownMs - offsetMs) > toleranceMs ? offsetMs : ownMs
  }
}
