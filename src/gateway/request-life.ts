import { hash } from 'node:crypto'
import { authenticate, authorise, type Caller, isRefusal } from '../routing/access.ts'
import { type Classification, classifyFailure, parseRetryAfter } from '../routing/classify.ts'
import { gatewayErrors } from '../routing/errors.ts'
import { matchRoute } from '../routing/match.ts'
import {
  type AttemptPlan,
  type FinalAnswer,
  nextAttempt,
  stageWithoutTarget,
  type WaitPlan,
} from '../routing/next-attempt.ts'
import { findOperation, modelsOperation, type Operation, protocolOf } from '../routing/operation.ts'
import type { Route, Snapshot } from '../routing/snapshot.ts'
import type { FallbackTrigger, RequestOutcome } from '../routing/vocabulary.ts'
import type { PassedAnswer } from './answer-tokens.ts'
import type { AttemptLog } from './attempt-log.ts'
import { backendFacts } from './backend-facts.ts'
import { classifyCall } from './call-outcome.ts'
import type { Exchange, ExchangeWatcher } from './downstream/exchange.ts'
import { errorBody, errorEvent, outcomeOfError } from './error-answer.ts'
import type { GatewayContext } from './gateway-context.ts'
import type { Permit } from './live/permit.ts'
import type { Wait, WaitResult } from './live/waiting-room.ts'
import { modelBody, modelNameOf, modelsBody } from './models-answer.ts'
import { monotonicMs } from './monotonic.ts'
import { isOwnShortage } from './own-shortage.ts'
import { PlainRelay } from './plain-relay.ts'
import { isFault, type Reception, receiveRequest } from './receive-request.ts'
import type { ReceivedRequest } from './received-request.ts'
import { type AnswerSink, errorOfEnd, isBrokenEnd, join, type Relay, type RelayEnd } from './relay.ts'
import { bodyFault, type Fault, messageFault, takesMethod } from './request-edges.ts'
import { createRequestId } from './request-id.ts'
import { RequestQuestion } from './request-question.ts'
import { RequestUsage } from './request-usage.ts'
import type { Member } from './roster.ts'
import { streamProtocolOf } from './stream-protocol.ts'
import { StreamRelay } from './stream-relay.ts'
import { type CallOpening, type CallOwner, UpstreamCall } from './upstream/call.ts'
import { upstreamRequest } from './upstream/request.ts'

/** An answer that was read whole, for the case that no other comes. */
interface KeptAnswer {
  readonly attempt: AttemptLog
  readonly status: number
  readonly headers: string[]
  readonly body: Buffer
}

/** Status of a client that left before any byte of an answer: nginx' word for it. */
const clientLeft = 499

/**
 * The life of one request, from its headers to the last byte of its answer, in the order in which it happens. Each step ends by
 * calling the next one, at once or when what it waits for has come; `#refuse` ends it from anywhere.
 */
export class RequestLife implements Member, CallOwner, ExchangeWatcher {
  rosterIndex = -1
  readonly id: string
  readonly #context: GatewayContext
  readonly #exchange: Exchange
  readonly #path: string
  readonly #query: string
  /** All attempts see the same configuration. Until the first one is made it is read again when time has passed. */
  #snapshot: Snapshot
  readonly #usage: RequestUsage
  #operation: Operation = modelsOperation
  #reception: Reception | null = null
  #heldBytes = 0
  #received: ReceivedRequest | null = null
  #question: RequestQuestion | null = null
  #wait: Wait | null = null
  #call: UpstreamCall | null = null
  #permit: Permit | null = null
  #relay: Relay | null = null
  #keptAnswer: KeptAnswer | null = null
  /** The caller may not learn whether there is such a route. */
  #hidesRoute = false
  /** Its record is written, and nothing is decided any more. */
  #isOver = false

  constructor(context: GatewayContext, exchange: Exchange) {
    const startedAtMs = Date.now()
    this.id = createRequestId(startedAtMs)
    this.#context = context
    this.#exchange = exchange
    const { target, forwarded } = exchange.head
    const queryAt = target.indexOf('?')
    this.#path = queryAt < 0 ? target : target.slice(0, queryAt)
    this.#query = queryAt < 0 ? '' : target.slice(queryAt)
    this.#snapshot = context.ports.snapshot()
    this.#usage = new RequestUsage(context.ports, this.id, startedAtMs)
    if (context.ports.tracer) this.#usage.trace = context.ports.tracer.begin(forwarded)
    context.lives.add(this)
    exchange.watch(this)
  }

  /** Begins it; it goes on by itself. Never throws. */
  begin(): void {
    this.#guard(() => this.#enter())
  }

  /** Begins it, and ends it: its head cannot be read. Never throws. */
  refuse(fault: Fault): void {
    this.#guard(() => {
      this.#name()
      this.#refuse(fault)
    })
  }

  /** The gateway is closing and waits no longer. */
  expire(): void {
    if (this.#relay) this.#relay.cut()
    else this.#refuse({ code: 'shutting_down' }, 1_000)
    this.#leaveUpstream()
  }

  // ── 1. what is asked for ──

  #enter(): void {
    const { limits, lives, heldBytes } = this.#context
    const operation = this.#name()
    const malformed = messageFault(this.#exchange.head)
    if (malformed) return this.#refuse(malformed)
    // Printable ASCII, or it would be malformed.
    if (!operation) return this.#refuse({ code: 'unknown_url', detail: this.#path })
    if (lives.size > limits.maxRequestsInFlight || heldBytes > limits.maxHeldBytes)
      return this.#refuse({ code: 'overloaded' }, 1_000)
    if (!takesMethod(operation, this.#exchange.head.method)) return this.#refuse({ code: 'method_not_allowed' })
    this.#identify(operation)
  }

  /** Undefined: there is no such operation. */
  #name(): Operation | undefined {
    const operation = findOperation(this.#path)
    if (operation) this.#operation = operation
    this.#usage.operation = operation?.path ?? 'unknown'
    return operation
  }

  // ── 2. who asks ──

  #identify(operation: Operation): void {
    if (!this.#authenticate()) return
    if (operation.upstreamPath === null) return this.#answerModels(this.#usage.caller)
    const unfit = bodyFault(this.#exchange.head, operation, this.#context.limits.maxRequestBytes)
    if (unfit) this.#refuse(unfit)
    else this.#receive()
  }

  /** False: it has been refused. */
  #authenticate(): boolean {
    const caller = authenticate(this.#snapshot, this.#keyHash(), this.#usage.startedAtMs)
    if (isRefusal(caller)) {
      this.#refuse({ code: caller.code })
      return false
    }
    this.#usage.caller = caller
    return true
  }

  #keyHash(): string | null {
    const { head, memory } = this.#exchange
    const { key } = head
    if (key === null) return null
    if (key !== memory.key) {
      memory.keyHash = hash('sha256', key, 'hex')
      memory.key = key
    }
    return memory.keyHash
  }

  #answerModels(caller: Caller): void {
    if (this.#operation === modelsOperation) return this.#answer(modelsBody(this.#snapshot, caller))
    const name = modelNameOf(this.#path)
    const body = name === undefined ? undefined : modelBody(this.#snapshot, caller, name)
    this.#usage.requestedModel = name ?? null
    if (body) return this.#answer(body)
    const { code } = authorise(undefined, caller)!
    this.#refuse({ code, detail: `\`${encodeURI(name ?? '')}\`` })
  }

  // ── 3. the body, and what it says of itself ──

  #receive(): void {
    const { silence, limits } = this.#context
    if (this.#exchange.head.expectation !== null) this.#exchange.invite()
    const reception = receiveRequest(
      {
        exchange: this.#exchange,
        operation: this.#operation,
        maxRequestBytes: limits.maxRequestBytes,
        silence,
        hold: (bytes) => this.#holdBytes(bytes),
        fail: (error) => this.onFault(error),
      },
      (result) => this.#guard(() => (isFault(result) ? this.#refuse(result) : this.#admit(result))),
    )
    if (isFault(reception)) return this.#refuse(reception)
    this.#reception = reception
    reception.body.begin()
  }

  // ── 4. the route, and whether the caller may use it ──

  #admit(received: ReceivedRequest): void {
    const usage = this.#usage
    this.#received = received
    if (this.#reception) usage.receivingMs = monotonicMs() - this.#reception.body.beganAtMs
    usage.stream = received.stream
    usage.requestedModel = received.model
    const route = this.#findRoute(received)
    if (!route) return
    usage.open()
    this.#context.live.recordRequest(route.id)
    this.#ask(route, received)
  }

  /** By the configuration of now. Null: there is none, or the caller may not use it, and it has been refused. */
  #findRoute({ model }: ReceivedRequest): Route | null {
    if (!this.#isStillKnown()) return null
    const route = matchRoute(this.#snapshot, model)
    const refusal = authorise(route, this.#usage.caller)
    if (route) this.#usage.route = route
    if (!refusal) return route!
    this.#hidesRoute = refusal.status === 401 || refusal.status === 404
    const detail = `\`${encodeURI(model.toWellFormed())}\``
    this.#refuse({ code: refusal.code, detail }, refusal.status === 503 ? 1_000 : null)
    return null
  }

  /** Its body, or a place, may have taken minutes to come. False: meanwhile its key was revoked, and it has been refused. */
  #isStillKnown(): boolean {
    const snapshot = this.#context.ports.snapshot()
    if (snapshot === this.#snapshot) return true
    this.#snapshot = snapshot
    return this.#authenticate()
  }

  #holdBytes(bytes: number): void {
    this.#heldBytes += bytes
    this.#context.heldBytes += bytes
  }

  // ── 5. attempts, until one is an answer ──

  #ask(route: Route, received: ReceivedRequest): void {
    this.#question = new RequestQuestion(this.#snapshot, route, this.#context.live, this.#usage, received)
    this.#next(this.#question)
  }

  #next(question: RequestQuestion): void {
    question.nowMs = Date.now()
    const step = nextAttempt(question)
    if (step.divergence) this.#usage.diverged(step.divergence)
    if (step.kind === 'stop') return this.#conclude(step.answer)
    // If it was still open, it was so for the case that nothing else is tried.
    this.#leaveUpstream()
    if (step.isFallback) this.#usage.fallbackTrigger ??= this.#findTrigger(question)
    if (step.kind === 'wait') return this.#waitFor(step, question)
    if (step.isRepeat) question.live.takeRepeat(question.route.id)
    this.#attempt(step, question.live.open(step), question)
  }

  /** Why a fallback is about to be asked: what became of the last attempt, or why there was none. */
  #findTrigger({ snapshot, route, live, attempts }: RequestQuestion): FallbackTrigger {
    return attempts.at(-1)?.trigger ?? stageWithoutTarget(snapshot, route, live).trigger
  }

  #waitFor(step: WaitPlan, question: RequestQuestion): void {
    this.#usage.begin(step)
    this.#wait = question.live.wait(step, question.prefixHash, question.deadlineAtMs)
    void this.#wait.result.then((result) => this.#guard(() => this.#endWait(result, question)))
  }

  #endWait(result: WaitResult, question: RequestQuestion): void {
    this.#wait = null
    if (result.kind !== 'granted') {
      this.#usage.attempts.at(-1)!.trigger = result.kind === 'unavailable' ? 'UNAVAILABLE' : 'SATURATED'
      if (!this.#isOver) this.#lookAgain(question)
    } else if (this.#isOver) result.permit[Symbol.dispose]()
    else {
      this.#usage.attempts.pop()
      this.#attempt(result.plan, result.permit, question)
    }
  }

  /** The wait was in vain. If nothing was sent yet, it goes on as if it came now. */
  #lookAgain(question: RequestQuestion): void {
    const isUnchanged = this.#context.ports.snapshot() === this.#snapshot
    if (isUnchanged || this.#usage.attempts.some(({ wasSent }) => wasSent)) return this.#next(question)
    const route = this.#findRoute(this.#received!)
    if (route) this.#ask(route, this.#received!)
  }

  #attempt(plan: AttemptPlan, permit: Permit, { route }: RequestQuestion): void {
    const { connections } = this.#context
    const { backend } = plan
    this.#permit = permit
    this.#usage.begin(plan)
    const leftMs = route.timeouts.totalMs - this.#usage.elapsedMs
    const call = new UpstreamCall(route.timeouts, leftMs, streamProtocolOf(this.#operation), this)
    this.#call = call
    const { body, length } = this.#received!.bodyFor(backend)
    const { origin, target, headers } = upstreamRequest(plan, this.#clientPart(plan))
    const way =
      backend.kind === 'deployment'
        ? connections.toDeployment(origin)
        : connections.toProvider(origin, backend.provider.proxyUrl)
    call.send(way, { origin, target, headers, body, length })
  }

  #clientPart(plan: AttemptPlan) {
    const { forwarded } = this.#exchange.head
    return {
      operation: this.#operation,
      query: this.#query,
      forwarded: this.#usage.trace?.attempt(plan, forwarded) ?? forwarded,
      requestId: this.id,
    }
  }

  /** What became of the call is known. */
  onOpening(call: UpstreamCall, opening: CallOpening): void {
    if (!this.#isOver) this.#guard(() => this.#judge(call, opening, this.#question!))
  }

  #judge(call: UpstreamCall, opening: CallOpening, question: RequestQuestion): void {
    const attempt = this.#usage.attempts.at(-1)!
    const classification = classifyCall(call, opening, question.route)
    attempt.status = call.status || null
    if (opening === 'unreachable' && isOwnShortage(call.failure)) return this.#turnAway(attempt)
    // A request that had hardly any time left says nothing about its upstream.
    if (opening !== 'expired') this.#observe(classification, call)
    if (classification === 'answer') return this.#pass(call)
    attempt.trigger = classification
    attempt.endedAtMs = monotonicMs()
    // What broke off is no answer: with its length it would look whole.
    const isAnswer = opening === 'failedStream' ? call.errorEvent !== null : opening === 'answering' && !call.isBroken
    if (isAnswer) this.#keep(call, attempt)
    if (!isAnswer || call.isComplete || call.isStream) this.#leaveUpstream()
    this.#next(question)
  }

  /** The gateway itself has no room for a connection: another upstream could not be reached either. */
  #turnAway(attempt: AttemptLog): void {
    attempt.trigger = 'CONNECT_ERROR'
    attempt.endedAtMs = monotonicMs()
    this.#leaveUpstream()
    this.#refuse({ code: 'overloaded' }, 1_000)
  }

  #observe(classification: Classification, call: UpstreamCall): void {
    const { status } = this.#usage.attempts.at(-1)!
    this.#permit?.observe({ classification, status, retryAfterMs: retryAfterOf(call), error: call.failure })
  }

  /** For the case that no other comes. What speaks of the gateway's own credential is no client's business. */
  #keep(call: UpstreamCall, attempt: AttemptLog): void {
    if (attempt.trigger === 'UPSTREAM_AUTH' || !(call.isComplete || call.isStream)) return
    this.#keptAnswer = { attempt, status: call.status, headers: passedHeaders(call), body: join(call.peekChunks()) }
  }

  // ── 6. the answer ──

  #pass(call: UpstreamCall): void {
    const headers = passedHeaders(call)
    this.#addOwnHeaders(headers, this.#usage.attempts.at(-1))
    const sink: AnswerSink = {
      exchange: this.#exchange,
      status: call.status,
      headers,
      beforeLastByte: (end, release) => this.#endRelay(call, end, release),
    }
    this.#relay = call.isStream ? this.#relayStream(call, sink) : new PlainRelay(call, sink)
    this.#letBodyGo()
  }

  #relayStream(call: UpstreamCall, sink: AnswerSink): StreamRelay {
    return new StreamRelay(call, sink, {
      protocol: streamProtocolOf(this.#operation),
      dropsUsageEvent: this.#received!.addsUsage,
      errorEvent: (code, passed) => errorEvent(code, this.#operation, this.id, passed),
    })
  }

  #endRelay(call: UpstreamCall, end: RelayEnd, release: () => void): void {
    const attempt = this.#usage.attempts.at(-1)!
    if (end === 'whole') this.#permit?.complete(call.status)
    // What the client caused, or the end of a request's time, says nothing about the upstream; an error has been counted by its status.
    else if (call.status < 400 && (end === 'broken' || end === 'failed' || end === 'silent'))
      this.#observe(classifyFailure(end === 'silent'), call)
    attempt.endedAtMs = call.endedAtMs
    const told = call.isStream && isBrokenEnd(end) ? errorOfEnd[end] : null
    this.#end(this.#outcomeOf(end, call, attempt), call.status, told, release)
  }

  #outcomeOf(end: RelayEnd, call: UpstreamCall, attempt: AttemptLog): RequestOutcome {
    // Of an error more cannot be expected than its status.
    if (end === 'whole' || call.status >= 400) return outcomeOf(attempt)
    return end === 'refused' && call.errorEvent ? 'CLIENT_ERROR' : 'TRUNCATED'
  }

  /** Nothing more is tried: the last answer that came, or why there is none. */
  #conclude(answer: FinalAnswer): void {
    if (answer.kind === 'error') {
      this.#leaveUpstream()
      return this.#refuse({ code: answer.code }, answer.retryAfterMs)
    }
    // The last one, whose body was too long or too slow to be waited for.
    if (this.#call) return this.#pass(this.#call)
    const kept = this.#keptAnswer
    if (!kept) return this.#refuse({ code: 'upstream_unreachable' })
    const { attempt, status, headers, body } = kept
    this.#end(outcomeOf(attempt), status, null, () => this.#write(status, headers, body, attempt))
  }

  #answer(body: Buffer): void {
    this.#end('OK', 200, null, () => this.#write(200, ['content-type', 'application/json'], body))
  }

  /** Answers with an error of the gateway's own. */
  #refuse({ code, detail }: Fault, retryAfterMs: number | null = null): void {
    const { status } = gatewayErrors[code]
    const headers = ['content-type', 'application/json']
    if (retryAfterMs !== null) headers.push('retry-after', String(Math.ceil(retryAfterMs / 1000)))
    if (code === 'method_not_allowed') headers.push('allow', this.#operation.method)
    // Another program may have seen another request in it, and the next one elsewhere.
    if (code === 'bad_request') this.#exchange.keepsAlive = false
    const body = errorBody(code, protocolOf(this.#path), this.id, detail)
    this.#end(outcomeOfError(code), status, code, () => this.#write(status, headers, body))
  }

  /** `answered`: the attempt whose answer it is; undefined: it is the gateway's own. */
  #addOwnHeaders(headers: string[], answered?: AttemptLog): void {
    const { route, attempts, fallbackTrigger } = this.#usage
    let sent = 0
    for (const attempt of attempts) if (attempt.wasSent) sent++
    headers.push('x-request-id', this.id, 'x-signalbox-attempts', String(sent))
    // By which name Anthropic's clients look for it.
    if (protocolOf(this.#path) === 'anthropic' && !headers.includes('request-id')) headers.push('request-id', this.id)
    if (route && !this.#hidesRoute)
      headers.push('x-signalbox-route', route.name, 'x-signalbox-revision', String(route.revision))
    const last = answered ?? (sent > 0 ? attempts.findLast((attempt) => attempt.wasSent) : undefined)
    if (last) headers.push('x-signalbox-backend', backendFacts(last.plan.backend).label)
    if (answered?.isFallback && fallbackTrigger) headers.push('x-signalbox-fallback', fallbackTrigger.toLowerCase())
    if (this.#context.isDraining) this.#exchange.keepsAlive = false
  }

  // ── 7. the end ──

  /** Writes the record, once, and lets the last byte go when that is safe. */
  #end(outcome: RequestOutcome, status: number, errorCode: string | null, release: () => void): void {
    if (this.#isOver) return
    this.#isOver = true
    const isAnswer = outcome === 'OK' || outcome === 'OK_BY_FALLBACK'
    const firstByteAtMs = this.#relay?.firstByteAtMs || (isAnswer ? monotonicMs() : 0)
    this.#usage.end({ outcome, status, errorCode, firstByteAtMs, answer: this.#passedAnswer(outcome, status) }, release)
    if (!this.#call?.isOpen) this.#permit?.[Symbol.dispose]()
  }

  /** Only what was answered takes tokens: no errors, no redirects. */
  #passedAnswer(outcome: RequestOutcome, status: number): PassedAnswer | null {
    const request = this.#received
    const isContent = status < 300 && status !== 204 && outcome !== 'CLIENT_ERROR' && outcome !== 'UPSTREAM_ERROR'
    if (!this.#relay || !request || !isContent) return null
    const isWhole = outcome === 'OK' || outcome === 'OK_BY_FALLBACK'
    const isStream = this.#relay instanceof StreamRelay
    return { kind: this.#operation.usage, isStream, bytes: this.#relay.bytes, isWhole, request }
  }

  /** An answer that is not relayed, whole. */
  #write(status: number, headers: string[], body: Buffer, answered?: AttemptLog): void {
    if (this.#exchange.status > 0) return this.#exchange.destroy()
    this.#addOwnHeaders(headers, answered)
    this.#exchange.answer(status, headers, body)
  }

  /** The answer is over: all of it was sent, or the client has left. */
  onOver(): void {
    // It may have come with an opening that was held back.
    if (this.#call && this.#call.status > 0) this.#usage.attempts.at(-1)!.status ??= this.#call.status
    this.#end('CANCELLED', this.#exchange.status || clientLeft, null, () => {})
    this.#wait?.leave()
    this.#leaveUpstream()
    this.#letBodyGo()
    this.#reception?.[Symbol.dispose]()
    this.#context.lives.delete(this)
  }

  #letBodyGo(): void {
    this.#received?.release()
    this.#holdBytes(-this.#heldBytes)
  }

  #leaveUpstream(): void {
    this.#call?.abandon()
    this.#permit?.[Symbol.dispose]()
    this.#call = null
    this.#permit = null
  }

  /** Runs a step: whatever it throws is the gateway's own fault, and only this request's. */
  #guard(step: () => void): void {
    try {
      step()
    } catch (error) {
      this.onFault(error)
    }
  }

  onFault(error: unknown): void {
    this.#context.ports.log.error({ requestId: this.id, err: error }, 'a request failed inside the gateway')
    if (this.#isOver) this.#exchange.destroy()
    else this.#guard(() => this.#refuse({ code: 'internal_error' }))
  }
}

/** How a request ended that got all of this attempt's answer. */
function outcomeOf({ trigger, status, isFallback }: AttemptLog): RequestOutcome {
  if (trigger !== null) return trigger === 'CONTEXT_LENGTH' ? 'CLIENT_ERROR' : 'UPSTREAM_ERROR'
  if (status !== null && status >= 400) return 'CLIENT_ERROR'
  return isFallback ? 'OK_BY_FALLBACK' : 'OK'
}

function retryAfterOf(call: UpstreamCall): number | null {
  const value = call.head?.retryAfter ?? null
  return value === null ? null : parseRetryAfter(value, Date.now())
}

/** What the client sees of upstream's headers, to be added to. */
function passedHeaders({ head }: UpstreamCall): string[] {
  return head ? head.passed.slice() : []
}
