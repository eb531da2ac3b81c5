import { hash } from 'node:crypto'
import { authenticate, authorise, type Caller, isRefusal } from '../../routing/access.ts'
import { matchRoute } from '../../routing/match.ts'
import { findOperation, modelsOperation, type Operation } from '../../routing/operation.ts'
import type { Route, Snapshot } from '../../routing/snapshot.ts'
import type { Exchange } from '../downstream/exchange.ts'
import type { GatewayContext } from '../gateway-context.ts'
import { modelBody, modelNameOf, modelsBody } from '../models-answer.ts'
import { monotonicMs } from '../monotonic.ts'
import { isFault, type Reception, receiveRequest } from '../receive-request.ts'
import type { ReceivedRequest } from '../received-request.ts'
import { bodyFault, type Fault, messageFault, takesMethod } from '../request-edges.ts'
import type { RequestUsage } from '../request-usage.ts'
import type { Reply } from './reply.ts'

export interface AdmissionOwner {
  /** The request may be served. */
  onAdmitted(route: Route, received: ReceivedRequest): void
  onFault(error: unknown): void
}

/**
 * From the head of a request to its route, in the order in which it happens: what is asked for, who asks, the body, and the route.
 * Each step ends by calling the next one, or by refusing.
 */
export class Admission implements Disposable {
  readonly stage = 'receiving'
  /** All attempts see the same configuration. Until the first one is made it is read again when time has passed. */
  snapshot: Snapshot
  readonly #context: GatewayContext
  readonly #exchange: Exchange
  readonly #path: string
  readonly #usage: RequestUsage
  readonly #reply: Reply
  readonly #owner: AdmissionOwner
  #reception: Reception | null = null
  #received: ReceivedRequest | null = null
  #heldBytes = 0

  constructor(
    context: GatewayContext,
    exchange: Exchange,
    path: string,
    usage: RequestUsage,
    reply: Reply,
    owner: AdmissionOwner,
  ) {
    this.snapshot = context.ports.snapshot()
    this.#context = context
    this.#exchange = exchange
    this.#path = path
    this.#usage = usage
    this.#reply = reply
    this.#owner = owner
  }

  // ── 1. what is asked for ──

  /** Begins it; it goes on by itself. */
  begin(): void {
    const { limits, lives, heldBytes } = this.#context
    const operation = this.name()
    const malformed = messageFault(this.#exchange.head)
    if (malformed) return this.#reply.refuse(malformed)
    // Printable ASCII, or it would be malformed.
    if (!operation) return this.#reply.refuse({ code: 'unknown_url', detail: this.#path })
    if (lives.size > limits.maxRequestsInFlight || heldBytes > limits.maxHeldBytes)
      return this.#reply.refuse({ code: 'overloaded' }, 1_000)
    if (!takesMethod(operation, this.#exchange.head.method)) return this.#reply.refuse({ code: 'method_not_allowed' })
    this.#identify(operation)
  }

  /** Undefined: there is no such operation. */
  name(): Operation | undefined {
    const operation = findOperation(this.#path)
    if (operation) this.#reply.operation = operation
    this.#usage.operation = operation?.path ?? 'unknown'
    return operation
  }

  // ── 2. who asks ──

  #identify(operation: Operation): void {
    if (!this.#authenticate()) return
    if (operation.upstreamPath === null) return this.#answerModels(operation, this.#usage.caller)
    const unfit = bodyFault(this.#exchange.head, operation, this.#context.limits.maxRequestBytes)
    if (unfit) this.#reply.refuse(unfit)
    else this.#receive(operation)
  }

  /** False: it has been refused. */
  #authenticate(): boolean {
    const caller = authenticate(this.snapshot, keyHashOf(this.#exchange), this.#usage.startedAtMs)
    if (isRefusal(caller)) {
      this.#reply.refuse({ code: caller.code })
      return false
    }
    this.#usage.caller = caller
    return true
  }

  #answerModels(operation: Operation, caller: Caller): void {
    if (operation === modelsOperation) return this.#reply.answer(modelsBody(this.snapshot, caller))
    const name = modelNameOf(this.#path)
    const body = name === undefined ? undefined : modelBody(this.snapshot, caller, name)
    this.#usage.requestedModel = name ?? null
    if (body) return this.#reply.answer(body)
    const { code } = authorise(undefined, caller)!
    this.#reply.refuse({ code, detail: `\`${encodeURI(name ?? '')}\`` })
  }

  // ── 3. the body, and what it says of itself ──

  #receive(operation: Operation): void {
    const { silence, limits } = this.#context
    if (this.#exchange.head.expectation !== null) this.#exchange.invite()
    const reception = receiveRequest(
      {
        exchange: this.#exchange,
        operation,
        maxRequestBytes: limits.maxRequestBytes,
        silence,
        hold: (bytes) => this.#holdBytes(bytes),
        fail: (error) => this.#owner.onFault(error),
      },
      (result) => this.#takeReceived(result),
    )
    if (isFault(reception)) return this.#reply.refuse(reception)
    this.#reception = reception
    reception.body.begin()
  }

  /** Called with what the client has sent: whatever a step throws is the gateway's own fault, and only this request's. */
  #takeReceived(result: ReceivedRequest | Fault): void {
    try {
      if (isFault(result)) this.#reply.refuse(result)
      else this.#admit(result)
    } catch (error) {
      this.#owner.onFault(error)
    }
  }

  // ── 4. the route, and whether the caller may use it ──

  #admit(received: ReceivedRequest): void {
    const usage = this.#usage
    this.#received = received
    if (this.#reception) usage.receivingMs = monotonicMs() - this.#reception.body.beganAtMs
    usage.stream = received.stream
    usage.requestedModel = received.model
    const route = this.findRoute(received)
    if (!route) return
    usage.open()
    this.#context.live.recordRequest(route.id)
    this.#owner.onAdmitted(route, received)
  }

  /** By the configuration of now. Null: there is none, or the caller may not use it, and it has been refused. */
  findRoute({ model }: ReceivedRequest): Route | null {
    if (!this.#isStillKnown()) return null
    const route = matchRoute(this.snapshot, model)
    const refusal = authorise(route, this.#usage.caller)
    if (route) this.#usage.route = route
    if (!refusal) return route!
    this.#reply.hidesRoute = refusal.status === 401 || refusal.status === 404
    const detail = `\`${encodeURI(model.toWellFormed())}\``
    this.#reply.refuse({ code: refusal.code, detail }, refusal.status === 503 ? 1_000 : null)
    return null
  }

  /** Its body, or a place, may have taken minutes to come. False: meanwhile its key was revoked, and it has been refused. */
  #isStillKnown(): boolean {
    const snapshot = this.#context.ports.snapshot()
    if (snapshot === this.snapshot) return true
    this.snapshot = snapshot
    return this.#authenticate()
  }

  // ── what the request holds ──

  #holdBytes(bytes: number): void {
    this.#heldBytes += bytes
    this.#context.heldBytes += bytes
  }

  /** No other attempt will ask for the body. */
  releaseBody(): void {
    this.#received?.release()
    this.#holdBytes(-this.#heldBytes)
  }

  /** The request is over. */
  [Symbol.dispose](): void {
    this.releaseBody()
    this.#reception?.[Symbol.dispose]()
  }
}

/** Of the key that the client sent; null: it sent none. */
function keyHashOf({ head, memory }: Exchange): string | null {
  const { key } = head
  if (key === null) return null
  if (key !== memory.key) {
    memory.keyHash = hash('sha256', key, 'hex')
    memory.key = key
  }
  return memory.keyHash
}
