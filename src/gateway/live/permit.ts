import type { Classification } from '../../routing/health/classify-outcome.ts'
import type { AttemptPlan } from '../../routing/choose/next-attempt.ts'
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
  hear(permit: Permit): void
  observe(permit: Permit, result: AttemptResult): void
  complete(permit: Permit, status: number): void
  release(permit: Permit): void
}

/** One attempt's place at an endpoint or provider model. Dispose of it when the attempt is over, however it ended. */
export class Permit implements Disposable {
  readonly subject: Subject
  readonly plan: AttemptPlan
  /** Attempts are numbered from 1 in the order in which they begin, which no clock can put back. */
  readonly number: number
  readonly #keeper: PermitKeeper
  #isReturned = false

  constructor(keeper: PermitKeeper, subject: Subject, plan: AttemptPlan, number: number) {
    this.#keeper = keeper
    this.subject = subject
    this.plan = plan
    this.number = number
  }

  /** Bytes of an answer arrived, so the upstream is alive, however slow another answer is. */
  hear(): void {
    this.#keeper.hear(this)
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
