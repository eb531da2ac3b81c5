import type { BudgetAnswer, BudgetLeaseRequest } from './budget-lease.ts'
import type { PeriodRange } from './budget-period.ts'
import { leaseMs } from './lease.ts'
import type { LeaseRound, LeaseHolder } from './lease-round.ts'
import { LeasedShare, type ShareRequest } from './leased-share.ts'
import type { Budget } from './limit.ts'
import { nanoOf } from './money.ts'

/** A record that is not in the database after this time counts as lost. */
const recordLostAfterMs = 600_000
/** A gateway keeps at most one part in this many of a budget for its next requests, and nothing near the budget's end. */
const spareParts = 200
/** The shortest time between two reports of refusals: a refused client may retry at once. */
const tellRefusalEveryMs = 1_000

/** One part of a budget in one period, as this gateway knows it. Money in whole billionths of a USD. */
export class BudgetBucket implements LeaseHolder<BudgetLeaseRequest, BudgetAnswer> {
  readonly key: string
  readonly period: PeriodRange
  budget: Budget
  readonly share = new LeasedShare()
  #waiting = 0
  #isAway = false
  #free: number | null = null
  #hasRefused = false
  #refusalToldAtMs = -Infinity
  /** Records that came into the database. */
  #storedCount = 0
  /** The costs of ended requests whose records are not in the database yet, by request id. */
  readonly #unstored = new Map<string, { readonly nano: number; readonly atMs: number }>()

  constructor(budget: Budget, key: string, period: PeriodRange) {
    this.key = key
    this.period = period
    this.budget = budget
  }

  /** Replaces the budget by its changed version; earlier answers of the database no longer count. */
  follow(budget: Budget): void {
    this.budget = budget
    this.#free = null
    this.#hasRefused = false
    this.share.askAnew()
  }

  /** Whether the budget has room for an amount; `ASK` if only the database knows. */
  judge(nano: number, nowMs: number): 'ROOM' | 'ASK' | 'EXHAUSTED' {
    if (this.budget.onExhausted === 'NOTIFY' || this.share.has(nano, nowMs)) return 'ROOM'
    if (this.share.mayHave(nano, nowMs)) return 'ASK'
    // Records on their way to the database may count twice: as spent and as held.
    return this.#unstored.size > 0 && !this.#isAway && this.share.left(nowMs) + this.#unstoredNano >= nano
      ? 'ASK'
      : 'EXHAUSTED'
  }

  /** Whether the budget is exhausted, by the last answer of the database. */
  isExhausted(nowMs: number): boolean {
    if (this.budget.onExhausted === 'NOTIFY' || this.#free === null || this.#free > 0) return false
    return !this.share.has(1, nowMs)
  }

  /** Notes a refused request. Returns whether it must be reported now. */
  noteRefusal(nowMs: number): boolean {
    if (nowMs - this.#refusalToldAtMs < tellRefusalEveryMs) return false
    this.#refusalToldAtMs = nowMs
    this.#hasRefused = true
    return true
  }

  wait(nano: number, count: 1 | -1): void {
    this.#waiting += count * nano
  }

  reserve(nano: number, nowMs: number): void {
    this.share.take(nano, nowMs)
  }

  /** Settles an ended request: its cost is held until its record is in the database. */
  settle(reserved: number, spent: number, requestId: string, nowMs: number): void {
    this.share.release(reserved)
    if (spent <= 0) return
    this.share.take(spent, nowMs)
    this.#unstored.set(requestId, { nano: spent, atMs: nowMs })
  }

  giveBack(reserved: number): void {
    this.share.release(reserved)
  }

  /** Notes that a record is in the database, where it counts as spent. Returns whether it belonged to this bucket. */
  noteStored(requestId: string): boolean {
    const record = this.#unstored.get(requestId)
    if (!record) return false
    this.#unstored.delete(requestId)
    this.share.spend(record.nano)
    // An earlier answer may have counted it twice: as spent and as held.
    this.#storedCount++
    this.share.askAnew()
    return true
  }

  wantsRound(nowMs: number): boolean {
    if (!this.#isAway) this.#dropLost(nowMs)
    return this.share.wantsRound(nowMs)
  }

  isForgettable(nowMs: number): boolean {
    return this.share.isForgettable(nowMs) && this.#unstored.size === 0
  }

  turn(gateways: number, nowMs: number): readonly LeaseRound<BudgetLeaseRequest, BudgetAnswer>[] {
    const { budget } = this
    const storedCount = this.#storedCount
    const ask = this.share.ask(this.#waiting, this.#mostSpare(gateways), nowMs)
    return [
      {
        ask: this.#told(ask),
        answer: ({ granted, free }, askedAtMs) => {
          this.#free = free
          this.share.answer({ granted, free: Math.max(0, free) }, askedAtMs, leaseMs)
          // The question was about the budget before its change.
          if (budget !== this.budget) this.follow(this.budget)
          // A record was stored meanwhile: the answer may have counted it twice.
          else if (storedCount !== this.#storedCount) this.share.askAnew()
        },
        unanswered: () => this.share.unanswered(),
      },
    ]
  }

  /** The database is unreachable: the held amount may be used up, after that the budget's rule applies. */
  goOn(): void {
    this.#isAway = true
    this.share.goOn(0)
  }

  comeBack(): void {
    this.#isAway = false
    this.share.comeBack()
  }

  get #unstoredNano(): number {
    let sum = 0
    for (const { nano } of this.#unstored.values()) sum += nano
    return sum
  }

  #told(ask: ShareRequest): BudgetLeaseRequest {
    const { budget, key, period } = this
    const hasRefused = this.#hasRefused
    this.#hasRefused = false
    return { ...ask, budget, bucket: key, periodStartMs: period.startMs, periodEndMs: period.endMs, hasRefused }
  }

  /** The most to keep for the next requests: less towards the end of the budget, and at last one request at a time. */
  #mostSpare(gateways: number): number {
    const free = Math.max(0, this.#free ?? 0)
    const most = nanoOf(this.budget.amount) / spareParts
    return free < most * 4 * gateways ? 0 : Math.floor(most)
  }

  #dropLost(nowMs: number): void {
    for (const [id, { atMs }] of this.#unstored) {
      if (nowMs - atMs < recordLostAfterMs) return
      this.noteStored(id)
    }
  }
}
