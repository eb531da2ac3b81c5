import type { LeaseRound, LeaseHolder } from '../../routing/limits/lease-round.ts'
import { guarded } from '../loop/guarded.ts'
import { monotonicMs } from '../loop/monotonic.ts'
import type { GatewayLog } from '../ports.ts'

export interface LeaseRoundsOptions<Ask, Answer> {
  /** One statement for all questions. Rejects if the database is away. */
  readonly lease: (asks: readonly Ask[]) => Promise<readonly Answer[]>
  /** How many gateways share the buckets, this one included. */
  readonly gatewayCount: () => number
  /** Nobody waits longer for an answer: the database counts as away until it comes. */
  readonly patienceMs: number
  /** After this many undecided answers a waiting request is decided by the current state. */
  readonly mostRounds: number
  readonly log: GatewayLog
  /** Called with a bucket before it is dropped. */
  readonly forget: (taker: LeaseHolder<Ask, Answer>) => void
}

/** A request that waits for the database's word. */
interface Waiter<Taker> {
  readonly takers: readonly Taker[]
  /** Decides by the current state; returns false if the request still waits. With `isLast` it must decide. */
  readonly decide: (isLast: boolean) => boolean
  rounds: number
}

/** At most one statement at a time, and one in so long. */
const turnEveryMs = 50
const sweepEveryMs = 1_000

/**
 * A gateway's turns at the buckets in the database: all that has to be told, asked and given back, in one statement per 50 ms, and none
 * while there is nothing. Requests wait for it only if what this gateway holds does not suffice and the bucket may have more.
 */
export class LeaseRounds<Ask, Answer> implements Disposable {
  readonly #options: LeaseRoundsOptions<Ask, Answer>
  readonly #known = new Set<LeaseHolder<Ask, Answer>>()
  #due = new Set<LeaseHolder<Ask, Answer>>()
  #waiters: Waiter<LeaseHolder<Ask, Answer>>[] = []
  #timer: NodeJS.Timeout | null = null
  #isAsking = false
  #isAway = false
  #lastTurnMs = -Infinity
  readonly #sweepTimer: NodeJS.Timeout
  readonly #step: () => void

  constructor(options: LeaseRoundsOptions<Ask, Answer>) {
    this.#options = options
    const onFault = (error: unknown) => this.#logFault(error)
    this.#step = guarded(() => this.#take(), onFault)
    const sweep = guarded(() => this.#sweep(), onFault)
    this.#sweepTimer = setInterval(sweep, sweepEveryMs).unref()
  }

  /** A new bucket. */
  add(taker: LeaseHolder<Ask, Answer>): void {
    this.#known.add(taker)
    if (this.#isAway) taker.goOn(this.#options.gatewayCount(), monotonicMs())
  }

  /** It has something to tell or to ask. */
  touch(taker: LeaseHolder<Ask, Answer>): void {
    this.#due.add(taker)
    if (!this.#timer && !this.#isAsking && !this.#isAway) this.#schedule()
  }

  /** Waits until `decide` has decided, by what the database says of `takers`. */
  wait(takers: readonly LeaseHolder<Ask, Answer>[], decide: (isLast: boolean) => boolean): void {
    this.#waiters.push({ takers, decide, rounds: 0 })
    for (const taker of takers) this.touch(taker)
  }

  [Symbol.dispose](): void {
    clearInterval(this.#sweepTimer)
    if (this.#timer) clearTimeout(this.#timer)
    this.#timer = null
  }

  #schedule(): void {
    const inMs = Math.max(0, this.#lastTurnMs + turnEveryMs - monotonicMs())
    this.#timer = setTimeout(this.#step, inMs)
    this.#timer.unref()
  }

  #take(): void {
    this.#timer = null
    if (this.#due.size === 0) return
    const nowMs = monotonicMs()
    const gateways = this.#options.gatewayCount()
    const due = this.#due
    this.#due = new Set()
    const turns = [...due].flatMap((taker) => taker.turn(gateways, nowMs))
    this.#lastTurnMs = nowMs
    if (turns.length > 0) this.#ask(turns, due, nowMs)
  }

  #ask(turns: readonly LeaseRound<Ask, Answer>[], due: ReadonlySet<LeaseHolder<Ask, Answer>>, askedAtMs: number): void {
    this.#isAsking = true
    const patience = setTimeout(
      guarded(
        () => this.#goAway('it is slow'),
        (error) => this.#logFault(error),
      ),
      this.#options.patienceMs,
    ).unref()
    this.#options
      .lease(turns.map(({ ask }) => ask))
      .then(
        (answers) => this.#hear(turns, answers, askedAtMs),
        (error: unknown) => this.#hearNothing(turns, due, error, askedAtMs),
      )
      .catch((error: unknown) => this.#logFault(error))
      .finally(() => {
        clearTimeout(patience)
        this.#isAsking = false
        if (this.#due.size > 0 && !this.#isAway) this.#schedule()
      })
  }

  #hear(turns: readonly LeaseRound<Ask, Answer>[], answers: readonly Answer[], askedAtMs: number): void {
    if (this.#isAway) this.#comeBack()
    turns.forEach(({ answer }, i) => answer(answers[i]!, askedAtMs))
    this.#decide((waiter) => ++waiter.rounds >= this.#options.mostRounds)
  }

  #hearNothing(
    turns: readonly LeaseRound<Ask, Answer>[],
    due: ReadonlySet<LeaseHolder<Ask, Answer>>,
    error: unknown,
    askedAtMs: number,
  ): void {
    for (const { unanswered } of turns) unanswered(askedAtMs)
    for (const taker of due) this.#due.add(taker)
    this.#goAway(error instanceof Error ? error.message : 'it failed')
  }

  /** Each waiter decides, or waits for the next turn. */
  #decide(isLast: (waiter: Waiter<LeaseHolder<Ask, Answer>>) => boolean): void {
    const waiters = this.#waiters
    this.#waiters = []
    for (const waiter of waiters) {
      if (waiter.decide(isLast(waiter))) continue
      this.#waiters.push(waiter)
      for (const taker of waiter.takers) this.#due.add(taker)
    }
  }

  #goAway(reason: string): void {
    if (!this.#isAway)
      this.#options.log.warn({ reason }, 'the database does not answer: limits go on by this gateway’s share of them')
    this.#isAway = true
    const nowMs = monotonicMs()
    const gateways = this.#options.gatewayCount()
    for (const taker of this.#known) taker.goOn(gateways, nowMs)
    this.#decide(() => true)
  }

  #comeBack(): void {
    this.#isAway = false
    this.#options.log.info({}, 'limits are counted over all gateways again')
    const nowMs = monotonicMs()
    for (const taker of this.#known) {
      taker.comeBack(nowMs)
      if (taker.wantsRound(nowMs)) this.#due.add(taker)
    }
  }

  /** Sends no requests: a round would report what is held, and get a grant, before the use of the meantime was reported. */
  #probe(): void {
    this.#isAsking = true
    this.#options
      .lease([])
      .then(
        () => this.#comeBack(),
        (error: unknown) => this.#hearNothing([], new Set(), error, monotonicMs()),
      )
      .catch((error: unknown) => this.#logFault(error))
      .finally(() => {
        this.#isAsking = false
        if (this.#due.size > 0 && !this.#isAway) this.#schedule()
      })
  }

  /** What has been idle gives back what it holds; while the database is away, it is asked whether it is back. */
  #sweep(): void {
    const nowMs = monotonicMs()
    for (const taker of this.#known) {
      if (taker.wantsRound(nowMs)) this.#due.add(taker)
      else if (!this.#due.has(taker) && taker.isForgettable(nowMs)) {
        this.#known.delete(taker)
        this.#options.forget(taker)
      }
    }
    if (this.#isAsking || this.#timer) return
    if (this.#isAway) this.#probe()
    else if (this.#due.size > 0) this.#schedule()
  }

  #logFault(error: unknown): void {
    this.#options.log.error({ err: error }, 'keeping the leases of limits failed')
  }
}
