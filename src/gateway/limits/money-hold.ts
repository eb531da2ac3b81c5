import type { BudgetBucket } from '../../routing/limits/budget-bucket.ts'
import { nanoOf } from '../../routing/limits/money.ts'
import type { UsageRecord } from '../../routing/usage/record.ts'
import { monotonicMs } from '../loop/monotonic.ts'

/** What an attempt may cost, of one budget, in billionths of a USD. */
export interface Reservation {
  readonly bucket: BudgetBucket
  readonly nano: number
}

interface MoneyKeeper {
  touch(bucket: BudgetBucket): void
  /** The record is under way: its money is held until it is in the database. */
  follow(requestId: string, buckets: readonly BudgetBucket[]): void
}

/** What an attempt has reserved. Settle it once; later calls change nothing. */
export class MoneyHold {
  readonly #keeper: MoneyKeeper
  readonly #reservations: readonly Reservation[]
  #isSettled = false

  constructor(keeper: MoneyKeeper, reservations: readonly Reservation[]) {
    this.#keeper = keeper
    this.#reservations = reservations
  }

  settle({ id, cost }: Pick<UsageRecord, 'id' | 'cost'>): void {
    const nowMs = monotonicMs()
    const spent = cost === null ? 0 : nanoOf(cost)
    if (this.#isSettled) return
    if (spent > 0)
      this.#keeper.follow(
        id,
        this.#reservations.map(({ bucket }) => bucket),
      )
    this.#end(({ bucket, nano }) => bucket.settle(nano, spent, id, nowMs))
  }

  giveBack(): void {
    this.#end(({ bucket, nano }) => bucket.giveBack(nano))
  }

  #end(give: (reservation: Reservation) => void): void {
    if (this.#isSettled) return
    this.#isSettled = true
    for (const reservation of this.#reservations) {
      give(reservation)
      this.#keeper.touch(reservation.bucket)
    }
  }
}
