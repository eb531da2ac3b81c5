import type { Caller } from '../../routing/access/authorise.ts'
import { BudgetBucket } from '../../routing/limits/budget-bucket.ts'
import type { BudgetAnswer, BudgetLeaseRequest } from '../../routing/limits/budget-lease.ts'
import { periodAt } from '../../routing/limits/budget-period.ts'
import type { Budget } from '../../routing/limits/limit.ts'
import { bucketKey, forEachOfBackend, forEachOfCaller } from '../../routing/limits/match-limits.ts'
import { nanoOf } from '../../routing/limits/money.ts'
import type { Backend, Route, Snapshot } from '../../routing/config/snapshot.ts'
import { monotonicMs } from '../loop/monotonic.ts'
import { LeaseRounds, type LeaseRoundsOptions } from './lease-rounds.ts'
import { MoneyHold, type Reservation } from './money-hold.ts'

/** Longer than for a rate: a request that is refused for money is not sent again. */
const patienceMs = 2_000
/** Two seconds of turns: as long as records are on their way they count twice, and to refuse then would be wrong. */
const mostRounds = 40

export type MoneyEntry = MoneyHold | BudgetBucket

/** The budgets of a gateway: which of them bind an attempt, and whether all of them can pay for it. */
export class BudgetGate implements Disposable {
  readonly #turns: LeaseRounds<BudgetLeaseRequest, BudgetAnswer>
  /** By the budget's id, then by period and part. */
  readonly #buckets = new Map<string, Map<string, BudgetBucket>>()
  /** Whose records are not in the database. */
  readonly #unstored = new Map<string, readonly BudgetBucket[]>()

  constructor(
    options: Omit<LeaseRoundsOptions<BudgetLeaseRequest, BudgetAnswer>, 'forget' | 'patienceMs' | 'mostRounds'>,
  ) {
    this.#turns = new LeaseRounds({
      ...options,
      patienceMs,
      mostRounds,
      forget: (bucket) => this.#forget(bucket as BudgetBucket),
    })
  }

  /** Of the installation, the caller and the route. */
  forEachOfCaller({ limits }: Snapshot, caller: Caller, route: Route, found: (bucket: BudgetBucket) => void): void {
    forEachOfCaller(limits.budgetsBySubject, caller, route, (budget) => found(this.#bucketOf(budget, caller, route)))
  }

  /** Of a backend. */
  forEachOfBackend(
    { limits }: Snapshot,
    backend: Backend,
    caller: Caller,
    route: Route,
    found: (bucket: BudgetBucket) => void,
  ): void {
    forEachOfBackend(limits.budgetsBySubject, backend, (budget) => found(this.#bucketOf(budget, caller, route)))
  }

  /** Of a backend's budgets that all requests share, until the next period, in milliseconds; null: none is known to be used up. */
  sharedExhaustion({ limits }: Snapshot, backend: Backend): number | null {
    let untilMs: number | null = null
    forEachOfBackend(limits.budgetsBySubject, backend, ({ id, period, timeZone }) => {
      const { startMs } = periodAt(period, timeZone, Date.now())
      const bucket = this.#buckets.get(id)?.get(`${startMs} `)
      if (bucket?.isExhausted(monotonicMs())) untilMs = Math.max(untilMs ?? 0, untilNextMs(bucket))
    })
    return untilMs
  }

  /** Reserves in all of them, or in none: then it returns the one that is used up. A promise: the database has to be asked. */
  enter(reservations: readonly Reservation[]): MoneyEntry | Promise<MoneyEntry> {
    return this.#decide(reservations, false) ?? this.#wait(reservations)
  }

  /** Records are in the database. */
  noteStored(requestIds: readonly string[]): void {
    if (this.#unstored.size === 0) return
    for (const id of requestIds) {
      for (const bucket of this.#unstored.get(id) ?? []) if (bucket.noteStored(id)) this.#turns.touch(bucket)
      this.#unstored.delete(id)
    }
  }

  touch(bucket: BudgetBucket): void {
    this.#turns.touch(bucket)
  }

  follow(requestId: string, buckets: readonly BudgetBucket[]): void {
    this.#unstored.set(requestId, buckets)
    if (this.#unstored.size > mostFollowed) this.#unstored.delete(this.#unstored.keys().next().value!)
  }

  [Symbol.dispose](): void {
    this.#turns[Symbol.dispose]()
  }

  /** Null: the database has to be asked. */
  #decide(reservations: readonly Reservation[], isLast: boolean): MoneyEntry | null {
    const nowMs = monotonicMs()
    let asks = false
    for (const { bucket, nano } of reservations) {
      const judgement = bucket.judge(nano, nowMs)
      if (judgement === 'EXHAUSTED' || (judgement === 'ASK' && isLast)) return this.#refuse(bucket, nowMs)
      if (judgement === 'ASK') asks = true
    }
    if (asks) return null
    for (const { bucket, nano } of reservations) {
      bucket.reserve(nano, nowMs)
      this.#turns.touch(bucket)
    }
    return new MoneyHold(this, reservations)
  }

  #refuse(bucket: BudgetBucket, nowMs: number): BudgetBucket {
    if (bucket.noteRefusal(nowMs)) this.#turns.touch(bucket)
    return bucket
  }

  #wait(reservations: readonly Reservation[]): Promise<MoneyEntry> {
    const { promise, resolve } = Promise.withResolvers<MoneyEntry>()
    for (const { bucket, nano } of reservations) bucket.wait(nano, 1)
    this.#turns.wait(
      reservations.map(({ bucket }) => bucket),
      (isLast) => {
        const entry = this.#decide(reservations, isLast)
        if (entry === null) return false
        for (const { bucket, nano } of reservations) bucket.wait(nano, -1)
        resolve(entry)
        return true
      },
    )
    return promise
  }

  #bucketOf(budget: Budget, caller: Caller, route: Route): BudgetBucket {
    const period = periodAt(budget.period, budget.timeZone, Date.now())
    const key = bucketKey(budget.per, caller, route)
    const name = `${period.startMs} ${key}`
    const parts = this.#buckets.get(budget.id)
    let bucket = parts?.get(name)
    if (!bucket) {
      bucket = new BudgetBucket(budget, key, period)
      if (parts) parts.set(name, bucket)
      else this.#buckets.set(budget.id, new Map([[name, bucket]]))
      this.#turns.add(bucket)
    } else if (bucket.budget !== budget) bucket.follow(budget)
    return bucket
  }

  #forget({ budget, key, period }: BudgetBucket): void {
    const parts = this.#buckets.get(budget.id)
    parts?.delete(`${period.startMs} ${key}`)
    if (parts?.size === 0) this.#buckets.delete(budget.id)
  }
}

/** The time until the next period; `Infinity` for a budget without periods. */
export function untilNextMs({ period }: BudgetBucket): number {
  return period.endMs === null ? Infinity : Math.max(0, period.endMs - Date.now())
}

/** More records are not on their way at once, unless the database is away for hours. */
const mostFollowed = 100_000

/** The amount that an attempt reserves of a budget: its greatest possible cost, or `unpricedReserve` without a price; null: nothing. */
export function reservedOf({ unpricedReserve }: Budget, mostCost: number | null): number | null {
  // What costs nothing has nothing to wait for.
  if (mostCost !== null) return mostCost > 0 ? mostCost : null
  return unpricedReserve === null ? null : nanoOf(unpricedReserve)
}
