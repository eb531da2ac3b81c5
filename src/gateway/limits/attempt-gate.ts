import type { BackendLimit, LiveView } from '../../routing/choose/live-view.ts'
import type { BudgetBucket } from '../../routing/limits/budget-bucket.ts'
import { periodRetryAfterMs } from '../../routing/limits/budget-period.ts'
import { mostCostNanos } from '../../routing/usage/most-cost.ts'
import type { Backend, Route, Snapshot } from '../../routing/config/snapshot.ts'
import type { GatewayContext } from '../request/context.ts'
import { monotonicMs } from '../loop/monotonic.ts'
import type { ReceivedRequest } from '../body/received.ts'
import type { Fault } from '../body/request-faults.ts'
import type { Reply } from '../request/reply.ts'
import { AttemptHold } from './attempt-hold.ts'
import { reservedOf, untilNextMs } from './budget-gate.ts'
import { budgetText } from './limit-texts.ts'
import { LimitedLiveView } from './limited-live-view.ts'
import { MoneyHold, type Reservation } from './money-hold.ts'
import type { Entry as RateEntry } from './rate-gate.ts'
import { RateHold } from './rate-hold.ts'
import { RequestDemand } from './request-demand.ts'

/** Why an attempt may not be made. */
export interface AttemptRefusal {
  readonly reason: BackendLimit['reason']
  /** The answer to the client if nothing was sent yet; null if the request continues with another backend. */
  readonly refusal: Fault | null
}

export type AttemptEntry = AttemptHold | AttemptRefusal

interface GateRequest {
  readonly snapshot: Snapshot
  readonly route: Route
  readonly received: ReceivedRequest
  readonly reply: Reply
}

/** Null: no limit of a backend, and no budget, can bind any request. */
export function openAttemptGate(context: GatewayContext, request: GateRequest): AttemptGate | null {
  const { rateLimits, budgets } = request.snapshot.limits
  if (rateLimits.size === 0 && budgets.size === 0) return null
  return context.rates || context.budgets ? new AttemptGate(context, request) : null
}

/** What stands between a request's plans and its attempts: the limits of backends, and budgets. */
export class AttemptGate {
  /** What selection asks. */
  readonly view: LiveView
  readonly #context: GatewayContext
  readonly #request: GateRequest
  readonly #demand: RequestDemand
  /** The caller's budget that left backends out; null: none did. */
  #exhausted: BudgetBucket | null = null
  /** Backends that had no room when their attempt came, by id; null: none. What the database said then may be old when the client is told. */
  #refused: Map<string, BackendLimit> | null = null

  constructor(context: GatewayContext, request: GateRequest) {
    this.#context = context
    this.#request = request
    this.#demand = new RequestDemand(request.received, request.reply.operation)
    this.view = new LimitedLiveView(context.live, (backend) => this.#limitOf(backend))
  }

  /** Takes what the attempt may use; null: nothing binds it. A promise: the database has to be asked. */
  enter(backend: Backend): AttemptEntry | null | Promise<AttemptEntry | null> {
    const { rates } = this.#context
    const { snapshot, route, reply } = this.#request
    const limits = rates?.ofBackend(snapshot, backend, reply.usage.caller, route) ?? null
    const rate = limits ? rates!.enter(limits, this.#demand) : null
    return rate instanceof Promise ? rate.then((late) => this.#pay(backend, late)) : this.#pay(backend, rate)
  }

  /** The answer to the client if a budget on the caller left no backend; null if that was not the reason. */
  quotaRefusal(): Fault | null {
    return this.#exhausted && insufficientQuota(this.#exhausted)
  }

  #pay(backend: Backend, rate: RateEntry | null): AttemptEntry | null | Promise<AttemptEntry | null> {
    if (rate !== null && !(rate instanceof RateHold))
      return this.#refuse(backend, { reason: 'RATE_LIMITED', retryAfterMs: rate.retryAfterMs }, null)
    const reservations = this.#reservationsFor(backend)
    if (reservations.length === 0) return rate && new AttemptHold(rate, null)
    const money = this.#context.budgets!.enter(reservations)
    return money instanceof Promise
      ? money.then((late) => this.#paid(backend, rate, late))
      : this.#paid(backend, rate, money)
  }

  #paid(backend: Backend, rate: RateHold | null, money: MoneyHold | BudgetBucket): AttemptEntry {
    if (money instanceof MoneyHold) return new AttemptHold(rate, money)
    rate?.giveBack()
    const isCallers = isOfCaller(money)
    if (isCallers) this.#exhausted = money
    const refuses = isCallers && money.budget.onExhausted === 'REFUSE'
    const limit = { reason: 'BUDGET_EXHAUSTED', retryAfterMs: untilNextMs(money) } as const
    return this.#refuse(backend, limit, refuses ? insufficientQuota(money) : null)
  }

  #refuse({ id }: Backend, limit: BackendLimit, refusal: Fault | null): AttemptRefusal {
    this.#refused ??= new Map()
    this.#refused.set(id, limit)
    return { reason: limit.reason, refusal }
  }

  /** In the budgets of the caller, the route and the backend. */
  #reservationsFor(backend: Backend): Reservation[] {
    const reservations: Reservation[] = []
    const { budgets } = this.#context
    const { snapshot, route, reply } = this.#request
    if (!budgets || snapshot.limits.budgets.size === 0) return reservations
    const { caller } = reply.usage
    let most: number | null | undefined
    const reserve = (bucket: BudgetBucket) => {
      if (most === undefined) most = this.#mostCost(backend)
      const nano = reservedOf(bucket.budget, most)
      if (nano !== null) reservations.push({ bucket, nano })
    }
    budgets.forEachOfCaller(snapshot, caller, route, reserve)
    budgets.forEachOfBackend(snapshot, backend, caller, route, reserve)
    return reservations
  }

  /** Null if the price is unknown. */
  #mostCost({ pricing, contextTokens }: Backend): number | null {
    if (!pricing) return null
    const inputTokens = this.#demand.inputTokens(contextTokens)
    const outputTokens = this.#demand.outputTokens(contextTokens)
    const { choices: images, bytes: characters } = this.#demand
    return mostCostNanos(pricing, { inputTokens, outputTokens, images, characters })
  }

  #limitOf(backend: Backend): BackendLimit | null {
    const refused = this.#refused?.get(backend.id)
    if (refused) return refused
    const { rates } = this.#context
    const { snapshot, route, reply } = this.#request
    const limits = rates?.ofBackend(snapshot, backend, reply.usage.caller, route) ?? null
    const shortage = limits && rates!.shortageIn(limits, this.#demand)
    if (shortage) return { reason: 'RATE_LIMITED', retryAfterMs: shortage.retryAfterMs }
    return this.#budgetOf(backend)
  }

  /** One that leaves a backend out; a `REFUSE` of the caller's ends the request instead, when its attempt comes. */
  #budgetOf(backend: Backend): BackendLimit | null {
    const nowMs = monotonicMs()
    for (const { bucket, nano } of this.#reservationsFor(backend)) {
      const isCallers = isOfCaller(bucket)
      if (isCallers && bucket.budget.onExhausted === 'REFUSE') continue
      if (bucket.judge(nano, nowMs) !== 'EXHAUSTED') continue
      if (isCallers) this.#exhausted = bucket
      return { reason: 'BUDGET_EXHAUSTED', retryAfterMs: untilNextMs(bucket) }
    }
    return null
  }
}

function isOfCaller({ budget: { subject } }: BudgetBucket): boolean {
  return subject.kind !== 'PROVIDER' && subject.kind !== 'PROVIDER_MODEL' && subject.kind !== 'DEPLOYMENT'
}

function insufficientQuota(bucket: BudgetBucket): Fault {
  const headers = ['x-should-retry', 'false']
  const retryAfterMs = periodRetryAfterMs(untilNextMs(bucket))
  if (retryAfterMs !== null) headers.push('retry-after', String(Math.ceil(retryAfterMs / 1000)))
  return { code: 'insufficient_quota', detail: budgetText(bucket.budget), headers }
}
