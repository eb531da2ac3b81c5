import { leaseMs, type LeaseAnswer, type LeaseRequest, type LimitUnit } from './lease.ts'
import type { LeaseRound, LeaseHolder } from './lease-round.ts'
import { LeasedShare, type ShareRequest } from './leased-share.ts'
import { LeasedUnits, type UnitsRequest } from './leased-units.ts'
import type { RateLimit } from './limit.ts'
import { requestRate, tokenRate } from './rates-of.ts'

/** What a request needs from the limits that apply to it. */
export interface RateDemand {
  /** The most tokens that the request can use, as estimated; read only if tokens are bounded. */
  readonly tokens: number
}

/** Why a limit has no room for a request. */
export interface RateShortage {
  readonly bucket: RateBucket
  readonly unit: LimitUnit
  readonly retryAfterMs: number
}

/** The retry time for places in flight: a place becomes free when another request ends, at an unknown time. */
const placeRetryMs = 1_000

/** One part of a rate limit, as this gateway knows it. */
export class RateBucket implements LeaseHolder<LeaseRequest, LeaseAnswer> {
  readonly key: string
  limit: RateLimit
  requests: LeasedUnits | null = null
  tokens: LeasedUnits | null = null
  places: LeasedShare | null = null
  /** Since the last turn. */
  refused = 0
  wouldRefuse = 0
  /** Requests that wait for the answer of the database. */
  #waitingRequests = 0
  #waitingTokens = 0
  /** Admitted requests that are not settled yet. */
  #open = 0
  /** With `OBSERVE`: requests that passed before the database said whether there is room. */
  #unsure = 0

  constructor(limit: RateLimit, key: string) {
    this.key = key
    this.limit = limit
    this.follow(limit)
  }

  get isEnforced(): boolean {
    return this.limit.enforcement === 'ENFORCE'
  }

  /** Replaces the limit by its changed version. Held units stay. Open requests have places too and return them when they end. */
  follow(limit: RateLimit): void {
    this.limit = limit
    this.requests = following(this.requests, requestRate(limit))
    this.tokens = following(this.tokens, tokenRate(limit))
    if (limit.inFlight === null) this.places = null
    else this.places ??= new LeasedShare(this.#open)
  }

  /** Whether the limit has room: `ROOM`, `ASK` if only the database knows, or else the shortage. */
  judge(demand: RateDemand, nowMs: number): 'ROOM' | 'ASK' | RateShortage {
    let asks = false
    if (this.requests && !this.requests.has(1, nowMs)) {
      if (!this.requests.mayHave(1, nowMs)) return this.#lacking('REQUESTS', this.requests.untilMs(1, nowMs))
      asks = true
    }
    if (this.tokens && !this.tokens.has(demand.tokens, nowMs)) {
      if (!this.tokens.mayHave(demand.tokens, nowMs))
        return this.#lacking('TOKENS', this.tokens.untilMs(demand.tokens, nowMs))
      asks = true
    }
    if (this.places && !this.places.has(1, nowMs)) {
      if (!this.places.mayHave(1, nowMs)) return this.#lacking('IN_FLIGHT', placeRetryMs)
      asks = true
    }
    return asks ? 'ASK' : 'ROOM'
  }

  #lacking(unit: LimitUnit, retryAfterMs: number): RateShortage {
    return { bucket: this, unit, retryAfterMs: Math.max(1, retryAfterMs) }
  }

  /** The shortage by the local state, even if the database may have more; null if there is none. */
  shortage(demand: RateDemand, nowMs: number): RateShortage | null {
    if (this.requests && !this.requests.has(1, nowMs)) return this.#lacking('REQUESTS', this.requests.untilMs(1, nowMs))
    if (this.tokens && !this.tokens.has(demand.tokens, nowMs))
      return this.#lacking('TOKENS', this.tokens.untilMs(demand.tokens, nowMs))
    return this.places && !this.places.has(1, nowMs) ? this.#lacking('IN_FLIGHT', placeRetryMs) : null
  }

  /** A request begins (1) or ends (-1) to wait for the answer of the database. */
  wait(demand: RateDemand, count: 1 | -1): void {
    this.#waitingRequests += count
    // Also if tokens are not bounded: they may be when it ends.
    this.#waitingTokens += count * demand.tokens
  }

  /** Admits a request. Returns the tokens that were taken for it. */
  take(demand: RateDemand, nowMs: number): number {
    this.#open++
    this.requests?.take(1, nowMs)
    this.places?.take(1, nowMs)
    return this.tokens?.take(demand.tokens, nowMs) ?? 0
  }

  /** With `OBSERVE`: counts a request, which passes in any case. Returns the tokens that were taken for it; null if nothing was taken. */
  observe(demand: RateDemand, nowMs: number): number | null {
    const judgement = this.judge(demand, nowMs)
    if (judgement === 'ROOM') return this.take(demand, nowMs)
    if (judgement !== 'ASK') {
      this.wouldRefuse++
      return null
    }
    this.#unsure++
    this.#open++
    this.requests?.owe(1)
    this.places?.take(1, nowMs)
    const tokens = this.tokens?.bounded(demand.tokens) ?? 0
    this.tokens?.owe(tokens)
    return tokens
  }

  /** Settles an ended request that has used `used` tokens. */
  settle(taken: number, used: number): void {
    this.#open--
    this.places?.release(1)
    if (used > taken) this.tokens?.owe(used - taken)
    else this.tokens?.giveBack(taken - used)
  }

  /** Returns what was taken for a request that another limit refused. */
  giveBack(taken: number): void {
    this.requests?.giveBack(1)
    this.settle(taken, 0)
  }

  wantsRound(nowMs: number): boolean {
    const { requests, tokens, places } = this
    if (this.refused > 0 || this.wouldRefuse > 0) return true
    return Boolean(requests?.wantsRound(nowMs) || tokens?.wantsRound(nowMs) || places?.wantsRound(nowMs))
  }

  isForgettable(nowMs: number): boolean {
    const { requests, tokens, places } = this
    const isOpen = (part: LeasedUnits | LeasedShare | null) => part !== null && !part.isForgettable(nowMs)
    return (
      this.#open === 0 &&
      this.refused === 0 &&
      this.wouldRefuse === 0 &&
      !isOpen(requests) &&
      !isOpen(tokens) &&
      !isOpen(places)
    )
  }

  turn(gateways: number, nowMs: number): readonly LeaseRound<LeaseRequest, LeaseAnswer>[] {
    const turns: LeaseRound<LeaseRequest, LeaseAnswer>[] = []
    const { requests, tokens, places, limit } = this
    const unsure = { count: this.#unsure }
    this.#unsure = 0
    if (requests)
      turns.push(this.#unitsRound('REQUESTS', requests, requests.ask(this.#waitingRequests, gateways, nowMs), unsure))
    if (tokens) turns.push(this.#unitsRound('TOKENS', tokens, tokens.ask(this.#waitingTokens, gateways, nowMs), unsure))
    if (places) {
      const mostSpare = Math.floor(limit.inFlight! / (2 * gateways))
      turns.push(this.#placesRound(places, places.ask(this.#waitingRequests, mostSpare, nowMs), unsure))
    }
    const [first] = turns
    if (first) turns[0] = { ...first, ask: { ...first.ask, refused: this.refused, wouldRefuse: this.wouldRefuse } }
    this.refused = 0
    this.wouldRefuse = 0
    return turns
  }

  #unitsRound(
    unit: LimitUnit,
    units: LeasedUnits,
    ask: UnitsRequest,
    unsure: Unsure,
  ): LeaseRound<LeaseRequest, LeaseAnswer> {
    return {
      ask: { ...this.#named(unit, units.rate.perMinute, units.rate.burst), ...ask },
      answer: (answer, askedAtMs) => {
        units.answer({ granted: answer.granted, level: answer.left }, askedAtMs, leaseMs)
        this.#judgeUnsure(unsure, unit, units, answer.left)
      },
      unanswered: (askedAtMs) => units.unanswered(ask, askedAtMs),
    }
  }

  #placesRound(places: LeasedShare, ask: ShareRequest, unsure: Unsure): LeaseRound<LeaseRequest, LeaseAnswer> {
    return {
      ask: { ...this.#named('IN_FLIGHT', 0, this.limit.inFlight!), ...ask },
      answer: ({ granted, left }, askedAtMs) => {
        places.answer({ granted, free: Math.max(0, left) }, askedAtMs, leaseMs)
        this.#judgeUnsure(unsure, 'IN_FLIGHT', null, left)
      },
      unanswered: () => places.unanswered(),
    }
  }

  #named(unit: LimitUnit, perMinute: number, burst: number) {
    return {
      limitId: this.limit.id,
      bucket: this.key,
      unit,
      perMinute,
      burst,
      inUse: 0,
      idleMs: 0,
      returned: 0,
      debt: 0,
      solo: null,
      refused: 0,
      wouldRefuse: 0,
    }
  }

  /** Counts requests that passed without room as "would have been refused"; they take nothing. */
  #judgeUnsure(unsure: Unsure, unit: LimitUnit, units: LeasedUnits | null, left: number): void {
    if (left >= 0 || unsure.count === 0) return
    const over = Math.min(unsure.count, unit === 'TOKENS' ? 1 : Math.ceil(-left))
    unsure.count = 0
    this.wouldRefuse += over
    if (unit === 'REQUESTS') units?.giveBack(over)
  }

  /** The database is away. */
  goOn(gateways: number, nowMs: number): void {
    this.requests?.goOn(gateways, nowMs)
    this.tokens?.goOn(gateways, nowMs)
    this.places?.goOn(Math.max(1, Math.floor(this.limit.inFlight! / gateways)))
  }

  comeBack(nowMs: number): void {
    this.requests?.comeBack(nowMs)
    this.tokens?.comeBack(nowMs)
    this.places?.comeBack()
  }
}

/** Requests that passed before the database said whether there is room, and that one lease round asks about. */
interface Unsure {
  count: number
}

function following(units: LeasedUnits | null, rate: LeasedUnits['rate'] | null): LeasedUnits | null {
  if (!rate) return null
  if (!units) return new LeasedUnits(rate)
  units.rate = rate
  return units
}
