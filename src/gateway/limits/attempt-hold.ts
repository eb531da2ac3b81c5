import type { UsageRecord } from '../../routing/usage/record.ts'
import type { MoneyHold } from './money-hold.ts'
import type { RateHold } from './rate-hold.ts'

/** What an attempt took of its backend's limits and of budgets. Settle it once; later calls change nothing. */
export class AttemptHold {
  readonly #rate: RateHold | null
  readonly #money: MoneyHold | null

  constructor(rate: RateHold | null, money: MoneyHold | null) {
    this.#rate = rate
    this.#money = money
  }

  /** The request is over with this attempt's answer: so many tokens, and what the record says that it cost. */
  settle(tokens: number, record: Pick<UsageRecord, 'id' | 'cost'>): void {
    this.#rate?.settle(tokens)
    this.#money?.settle(record)
  }

  /** It was no answer: nothing was used, but the backend has been asked. */
  fail(): void {
    this.#rate?.settle(0)
    this.#money?.giveBack()
  }

  /** It was not made after all. */
  giveBack(): void {
    this.#rate?.giveBack()
    this.#money?.giveBack()
  }
}
