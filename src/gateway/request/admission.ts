import { authorise, type Caller, isRefusal } from '../../routing/access/authorise.ts'
import type { RateBucket, RateShortage } from '../../routing/limits/rate-bucket.ts'
import { matchRoute } from '../../routing/access/match-route.ts'
import { modelsOperation, type Operation } from '../../routing/vendors/operation.ts'
import { endsWithOperation, type OperationPlace } from '../../routing/vendors/operation-place.ts'
import type { Route, Snapshot } from '../../routing/config/snapshot.ts'
import type { BodyShare } from '../body/budget.ts'
import type { Exchange } from '../http1/server/exchange.ts'
import type { GatewayContext } from './context.ts'
import { shortageText } from '../limits/limit-texts.ts'
import type { Entry } from '../limits/rate-gate.ts'
import { RateHold } from '../limits/rate-hold.ts'
import { RequestDemand } from '../limits/request-demand.ts'
import { modelBody, modelNameOf, modelsBody } from '../pages/models.ts'
import { monotonicMs } from '../loop/monotonic.ts'
import { isFault, type IncomingRequest, receiveRequest } from './receive.ts'
import type { ReceivedRequest } from '../body/received.ts'
import { bodyFault, type Fault, messageFault, takesMethod } from '../body/request-faults.ts'
import type { RequestUsage } from './usage.ts'
import { callerOf } from './caller.ts'
import type { Reply } from './reply.ts'

export interface AdmissionOwner {
  /** The request may be served. */
  onAdmitted(route: Route, received: ReceivedRequest): void
  onFault(error: unknown): void
}

/**
 * From the head of a request to its route, in the order in which it happens: what is asked for, who asks, the body, the route, and limits.
 * Each step ends by calling the next one, or by refusing.
 */
export class Admission implements Disposable {
  readonly stage = 'receiving'
  /** All attempts see the same configuration. Until the first one is made it is read again when time has passed. */
  snapshot: Snapshot
  readonly #context: GatewayContext
  readonly #exchange: Exchange
  readonly #place: OperationPlace
  readonly #query: string
  readonly #usage: RequestUsage
  readonly #reply: Reply
  readonly #owner: AdmissionOwner
  #reception: IncomingRequest | null = null
  #received: ReceivedRequest | null = null
  #share: BodyShare | null = null

  constructor(
    context: GatewayContext,
    exchange: Exchange,
    place: OperationPlace,
    query: string,
    usage: RequestUsage,
    reply: Reply,
    owner: AdmissionOwner,
  ) {
    this.snapshot = context.ports.snapshot()
    this.#context = context
    this.#exchange = exchange
    this.#place = place
    this.#query = query
    this.#usage = usage
    this.#reply = reply
    this.#owner = owner
  }

  // ── 1. the operation ──

  /** Begins it; it goes on by itself. */
  begin(): void {
    const { limits, lives, ports } = this.#context
    const operation = this.name()
    const malformed = messageFault(this.#exchange.head)
    if (malformed) return this.#reply.refuse(malformed)
    if (!operation) return this.#reply.refuse(unknownUrl(this.#exchange, this.#place.path))
    if (lives.size > limits.maxRequestsInFlight) return this.#reply.refuse({ code: 'overloaded' }, 1_000)
    if (!takesMethod(operation, this.#exchange.head.method)) return this.#reply.refuse({ code: 'method_not_allowed' })
    const judgement = ports.judgeSnapshot?.() ?? null
    if (judgement === null) this.#identify(operation)
    else if (judgement === 'STALE') this.#reply.refuse({ code: 'configuration_stale' }, 1_000)
    else this.#look(judgement, operation)
  }

  #look(looked: Promise<void>, operation: Operation): void {
    this.#exchange.deferBody()
    void looked.then(() => this.#identifyLate(operation))
  }

  /** The gateway was suspended, and has read the current configuration. */
  #identifyLate(operation: Operation): void {
    // Its client has left.
    if (this.#reply.isEnded) return
    try {
      this.snapshot = this.#context.ports.snapshot()
      this.#identify(operation)
    } catch (error) {
      this.#owner.onFault(error)
    }
  }

  /** Null if there is no such operation. */
  name(): Operation | null {
    const { operation } = this.#place
    if (operation) this.#reply.operation = operation
    if (operation?.upstreamPath === null && isOfAnthropic(this.#exchange)) this.#reply.protocol = 'anthropic'
    this.#usage.operation = operation?.path ?? 'unknown'
    return operation
  }

  // ── 2. the caller ──

  #identify(operation: Operation): void {
    if (!this.#authenticate()) return
    if (operation.upstreamPath === null) return this.#answerModels(operation, this.#usage.caller)
    const maxBytes = this.#maxBytesOf(operation)
    const unfit = bodyFault(this.#exchange.head, operation, maxBytes)
    if (unfit) return this.#reply.refuse(unfit)
    const share = this.#context.bodies.open(this.#usage.caller.apiKey === null)
    if (share) this.#receive(operation, maxBytes, share)
    else this.#reply.refuse({ code: 'overloaded' }, 1_000)
  }

  /** Nobody's body may be larger than what bodies of such callers may hold together. */
  #maxBytesOf({ bodies }: Operation): number {
    const { maxHeldBytes, maxSpooledBytes } = this.#context.bodies.limitsFor(this.#usage.caller.apiKey === null)
    return Math.min(this.#context.limits.maxRequestBytes, bodies.includes('multipart') ? maxSpooledBytes : maxHeldBytes)
  }

  /** False: it has been refused. */
  #authenticate(): boolean {
    const caller = callerOf(this.snapshot, this.#exchange, this.#usage.startedAtMs)
    if (isRefusal(caller)) {
      this.#reply.refuse({ code: caller.code })
      return false
    }
    this.#usage.caller = caller
    return true
  }

  #answerModels(operation: Operation, caller: Caller): void {
    const { protocol } = this.#reply
    if (operation === modelsOperation)
      return this.#reply.answer(modelsBody(this.snapshot, caller, protocol, this.#query))
    const name = modelNameOf(this.#place.path)
    const body = name === undefined ? undefined : this.#findModel(caller, name)
    this.#usage.requestedModel = name ?? null
    if (body) return this.#reply.answer(body)
    const { code } = authorise(undefined, caller)!
    this.#reply.refuse({ code, detail: `\`${encodeURI(name ?? '')}\`` })
  }

  #findModel(caller: Caller, name: string): Buffer | undefined {
    const { protocol } = this.#reply
    const body = modelBody(this.snapshot, caller, protocol, name)
    return body || !name.endsWith('/') ? body : modelBody(this.snapshot, caller, protocol, name.replace(/\/+$/, ''))
  }

  // ── 3. the body, and what it says of itself ──

  #receive(operation: Operation, maxRequestBytes: number, share: BodyShare): void {
    const { silence } = this.#context
    this.#share = share
    if (this.#exchange.head.expectation !== null) this.#exchange.invite()
    const reception = receiveRequest(
      {
        exchange: this.#exchange,
        operation,
        modelInPath: this.#place.model,
        maxRequestBytes,
        silence,
        share,
        fail: (error) => this.#owner.onFault(error),
      },
      (result) => this.#takeReceived(result),
    )
    if (isFault(reception)) return this.#takeReceived(reception)
    this.#reception = reception
    reception.body.begin()
  }

  /** Called with what the client has sent: whatever a step throws is the gateway's own fault, and only this request's. */
  #takeReceived(result: ReceivedRequest | Fault): void {
    try {
      if (isFault(result)) this.#reply.refuse(result, result.code === 'overloaded' ? 1_000 : null)
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
    this.#reply.limits = this.#context.rates?.ofCaller(this.snapshot, usage.caller, route) ?? null
    if (this.#reply.limits) this.#enter(route, received, this.#reply.limits)
    else this.#pass(route, received)
  }

  #pass(route: Route, received: ReceivedRequest): void {
    this.#context.live.recordRequest(route.id)
    this.#owner.onAdmitted(route, received)
  }

  // ── 5. the limits of the caller and the route ──

  #enter(route: Route, received: ReceivedRequest, limits: readonly RateBucket[]): void {
    const entry = this.#context.rates!.enter(limits, new RequestDemand(received, this.#reply.operation))
    if (entry instanceof Promise) void entry.then((late) => this.#tryTakeEntry(late, route, received))
    else this.#takeEntry(entry, route, received)
  }

  #tryTakeEntry(entry: Entry, route: Route, received: ReceivedRequest): void {
    try {
      this.#takeEntry(entry, route, received)
    } catch (error) {
      this.#owner.onFault(error)
    }
  }

  #takeEntry(entry: Entry, route: Route, received: ReceivedRequest): void {
    const isIn = entry instanceof RateHold
    // Its client has left meanwhile.
    if (this.#reply.isEnded) return isIn ? entry.giveBack() : undefined
    if (!isIn) return this.#refuseByLimit(entry)
    this.#usage.rateHold = entry
    this.#pass(route, received)
  }

  #refuseByLimit(shortage: RateShortage): void {
    const { retryAfterMs } = shortage
    const headers = ['retry-after-ms', String(retryAfterMs)]
    this.#reply.refuse({ code: 'rate_limit_exceeded', detail: shortageText(shortage), headers }, retryAfterMs)
  }

  /** The route by the current configuration; null if it does not exist or the caller may not use it: then the request was refused. */
  findRoute({ model }: ReceivedRequest): Route | null {
    if (!this.#isStillKnown()) return null
    const route = matchRoute(this.snapshot, model) ?? this.#routeInPath()
    const refusal = authorise(route, this.#usage.caller)
    if (route) this.#usage.route = route
    if (!refusal) return route!
    this.#reply.hidesRoute = refusal.status === 401 || refusal.status === 404
    const detail = `\`${encodeURI(model.toWellFormed())}\``
    this.#reply.refuse({ code: refusal.code, detail }, refusal.status === 503 ? 1_000 : null)
    return null
  }

  /** Clients of Azure's often send the name of the model that they think is behind a deployment: then the deployment counts. */
  #routeInPath(): Route | undefined {
    const { model } = this.#place
    return model === null ? undefined : matchRoute(this.snapshot, model)
  }

  /** Its body, or a place, may have taken minutes to come. False: meanwhile its key was revoked, and it has been refused. */
  #isStillKnown(): boolean {
    const snapshot = this.#context.ports.snapshot()
    if (snapshot === this.snapshot) return true
    this.snapshot = snapshot
    return this.#authenticate()
  }

  // ── what the request holds ──

  /** No other attempt will ask for the body. */
  releaseBody(): void {
    if (this.#received?.release()) this.#share?.releaseMemory()
  }

  /** The request is over. */
  [Symbol.dispose](): void {
    this.releaseBody()
    this.#reception?.[Symbol.dispose]()
    this.#share?.[Symbol.dispose]()
  }
}

/** The path is printable ASCII, or it would be malformed. */
function unknownUrl({ head }: Exchange, path: string): Fault {
  return { code: 'unknown_url', detail: path + hintFor(path, head.host) }
}

const maxHintedPath = 80

/** A hint at the probable fault of the path. It names the base URL as this client reaches it, without the scheme. */
function hintFor(path: string, host: string): string {
  if (path.length > maxHintedPath) return ''
  if (/^\/v1\/(responses|conversations)\/./.test(path)) return ', and what upstreams have stored is not to be had here'
  const isBaseRight = path.startsWith('/v1/') && !endsWithOperation(path)
  if (isBaseRight) return ''
  const base = /^[\w.:[\]-]{1,40}$/.test(host) ? host : 'this server'
  return ` (base URL: ${base}/v1, Anthropic: ${base})`
}

/** Whoever says which version of Anthropic's API it speaks reads its models, and errors about them, in that form. */
function isOfAnthropic({ head: { forwarded } }: Exchange): boolean {
  return forwarded.some((text, i) => i % 2 === 0 && text === 'anthropic-version')
}
