import type { Classification } from '../../routing/classify.ts'
import type { AttemptPlan } from '../../routing/next-attempt.ts'
import type { Subject } from './subject.ts'

/** What an attempt's answer, or the lack of one, says about where it went. */
export interface AttemptResult {
  readonly classification: Classification
  /** Null if no status came. */
  readonly status: number | null
  /** What `Retry-After` asks for; null: nothing. */
  readonly retryAfterMs: number | null
  /** A short code for people, e.g. `ECONNREFUSED`; never what the client or upstream wrote. */
  readonly error: string | null
}

/** Who keeps the books of permits. */
export interface PermitKeeper {
  observe(permit: Permit, result: AttemptResult): void
  complete(permit: Permit, status: number): void
  release(permit: Permit): void
}

/** One attempt's place at an endpoint or provider model. Dispose of it when the attempt is over, however it ended. */
export class Permit implements Disposable {
  readonly subject: Subject
  readonly plan: AttemptPlan
  /** Whether it went where the circuit was not closed: only such a one can close it. */
  readonly isTrial: boolean
  /** In milliseconds since the epoch. */
  readonly openedAtMs: number
  readonly #keeper: PermitKeeper
  #isReturned = false

  constructor(keeper: PermitKeeper, subject: Subject, plan: AttemptPlan, isTrial: boolean, openedAtMs: number) {
    this.#keeper = keeper
    this.subject = subject
    this.plan = plan
    this.isTrial = isTrial
    this.openedAtMs = openedAtMs
  }

  /**
   * Tells what came of it, as soon as it is known: at the first byte of an answer, or when there is none. An answer that
   * breaks later is told as well, as `CONNECT_ERROR` or `TIMEOUT`. A client that left is not told: it says nothing.
   */
  observe(result: AttemptResult): void {
    this.#keeper.observe(this, result)
  }

  /** The answer came to its end: only then are the failures before it forgotten. */
  complete(status: number): void {
    this.#keeper.complete(this, status)
  }

  /** Returns the place, once, whatever is called how often. */
  [Symbol.dispose](): void {
    if (this.#isReturned) return
    this.#isReturned = true
    this.#keeper.release(this)
  }
}
