import { operationPlaceOf, queryFor } from '../../routing/vendors/operation-place.ts'
import type { Route } from '../../routing/config/snapshot.ts'
import type { Exchange, ExchangeWatcher } from '../http1/server/exchange.ts'
import type { GatewayContext, RequestInFlight } from './context.ts'
import type { ReceivedRequest } from '../body/received.ts'
import type { Fault } from '../body/request-faults.ts'
import { createRequestId } from './request-id.ts'
import { RequestUsage } from './usage.ts'
import { Admission, type AdmissionOwner } from './admission.ts'
import { Attempts, type AttemptsOwner } from './attempts.ts'
import { Reply } from './reply.ts'
import { leaveStage, over, type Stage } from './stage.ts'

/**
 * The life of one request, from its headers to the last byte of its answer. `Admission` finds its route, `Attempts` finds an
 * upstream that answers, `Reply` answers and ends it from anywhere. Here is what may come between: the client leaves, the gateway
 * closes, or something throws.
 */
export class RequestLife implements RequestInFlight, AdmissionOwner, AttemptsOwner, ExchangeWatcher {
  indexInSet = -1
  stage: Stage
  readonly id: string
  readonly #context: GatewayContext
  readonly #exchange: Exchange
  readonly #query: string
  readonly #reply: Reply
  readonly #admission: Admission

  constructor(context: GatewayContext, exchange: Exchange) {
    const startedAtMs = Date.now()
    const { target, forwarded } = exchange.head
    const queryAt = target.indexOf('?')
    const path = queryAt < 0 ? target : target.slice(0, queryAt)
    this.id = createRequestId(startedAtMs)
    this.#context = context
    this.#exchange = exchange
    const query = queryAt < 0 ? '' : target.slice(queryAt)
    const place = operationPlaceOf(path)
    this.#query = queryFor(place, query)
    const usage = new RequestUsage(context.ports, this.id, startedAtMs)
    if (context.ports.tracer) usage.trace = context.ports.tracer.begin(forwarded)
    this.#reply = new Reply(context, exchange, place.path, usage)
    this.#admission = new Admission(context, exchange, place, query, usage, this.#reply, this)
    this.stage = this.#admission
    context.lives.add(this)
    exchange.watch(this)
  }

  /** Begins it; it goes on by itself. Never throws. */
  begin(): void {
    try {
      this.#admission.begin()
    } catch (error) {
      this.onFault(error)
    }
  }

  /** Begins it, and ends it: its head cannot be read. Never throws. */
  refuse(fault: Fault): void {
    try {
      this.#admission.name()
      this.#reply.refuse(fault)
    } catch (error) {
      this.onFault(error)
    }
  }

  onAdmitted(route: Route, received: ReceivedRequest): void {
    new Attempts(this.#context, this.#admission, route, received, this.#reply, this.#query, this).begin()
  }

  /** The gateway is closing and waits no longer. Never throws. */
  expire(): void {
    try {
      if (this.stage.stage === 'relaying') this.stage.cut()
      else this.#reply.refuse({ code: 'shutting_down' }, 1_000)
      leaveStage(this.stage)
    } catch (error) {
      this.onFault(error)
    }
  }

  /** The answer is over: all of it was sent, or the client has left. Never throws. */
  onOver(): void {
    const { stage } = this
    this.stage = over
    this.#context.lives.delete(this)
    try {
      if (!this.#reply.isEnded) this.#cancel(stage)
    } catch (error) {
      this.#log(error)
    }
    try {
      leaveStage(stage)
      this.#admission[Symbol.dispose]()
    } catch (error) {
      this.#log(error)
    }
  }

  #cancel(stage: Stage): void {
    // It may have come with an opening that was held back.
    if (stage.stage === 'attempting' && stage.call.status > 0) stage.status ??= stage.call.status
    if (stage.stage === 'relaying') stage.cancel()
    else this.#reply.cancel()
  }

  /** Whatever a step throws is the gateway's own fault, and only this request's. */
  onFault(error: unknown): void {
    this.#log(error)
    try {
      if (!this.#reply.isEnded) return this.#reply.refuse({ code: 'internal_error' })
    } catch (second) {
      this.#log(second)
    }
    this.#exchange.destroy()
  }

  #log(error: unknown): void {
    this.#context.ports.log.error({ requestId: this.id, err: error }, 'a request failed inside the gateway')
  }
}
