import { passedNamesOf } from '../answer/passed-names.ts'
import {
  type AttemptPlan,
  type AttemptQuestion,
  type FinalAnswer,
  nextAttempt,
  stageWithoutTarget,
  type WaitPlan,
} from '../../routing/choose/next-attempt.ts'
import { operationFor } from '../../routing/choose/availability.ts'
import { findOperation, type Operation } from '../../routing/vendors/operation.ts'
import { triggerOf } from '../../routing/health/classify-outcome.ts'
import { namesStreamOptions, saysUnknownState } from '../../routing/health/upstream-error.ts'
import type { Route, Snapshot } from '../../routing/config/snapshot.ts'
import type { FallbackTrigger } from '../../routing/config/vocabulary.ts'
import type { LiveView } from '../../routing/choose/live-view.ts'
import type { GatewayContext } from './context.ts'
import type { AttemptEntry, AttemptGate, AttemptRefusal } from '../limits/attempt-gate.ts'
import type { AttemptHold } from '../limits/attempt-hold.ts'
import { openAttemptGate } from '../limits/attempt-gate.ts'
import type { LiveState } from '../live/live-state.ts'
import type { Permit } from '../live/permit.ts'
import type { WaitResult } from '../live/waiting-room.ts'
import { isLocalShortage } from '../upstream/local-shortage.ts'
import { streamProtocolOf } from '../protocol/protocol-of.ts'
import type { ReceivedRequest } from '../body/received.ts'
import { join } from '../answer/relay.ts'
import { sessionValueOf } from '../body/session-scan.ts'
import { wholeEventsOf } from '../answer/stream-end.ts'
import type { CallExpectation, CallOpening } from '../upstream/call.ts'
import { upstreamRequest } from '../upstream/request.ts'
import type { Admission } from './admission.ts'
import { type AttemptOwner, RefusedAttempt, type RequestAttempt, SentAttempt, WaitAttempt } from './attempt.ts'
import { type CallOutcome, outcomeOfCall } from './call-outcome.ts'
import { promptPrefixHash } from './prompt-prefix.ts'
import { passedHeaders, AttemptRelay, type RelayListener } from './attempt-relay.ts'
import type { KeptAnswer, Reply } from './reply.ts'
import { answerIdIn, answerIdOf, RequestSession } from './session.ts'
import { deciding, leaveStage, type StageHolder } from './stage.ts'

/** Whose attempts they are. */
export interface AttemptsOwner extends StageHolder {
  onFault(error: unknown): void
}

/**
 * The attempts of one request, until one is an answer: ask `nextAttempt` what to do, do it, judge what came of it, and ask again.
 * It is itself the question: what is dear and seldom asked for is found when it is asked for.
 */
export class Attempts implements AttemptQuestion, AttemptOwner {
  snapshot: Snapshot
  route: Route
  /** With the limits that bind this request. */
  readonly live: LiveView
  /** To be set before each question. */
  nowMs = 0
  readonly #context: GatewayContext
  readonly #state: LiveState
  /** Null: no limit of a backend, and no budget, can bind it. */
  readonly #gate: AttemptGate | null
  readonly #admission: Admission
  readonly #received: ReceivedRequest
  readonly #reply: Reply
  readonly #query: string
  readonly #owner: AttemptsOwner
  #prefixHash: number | null | undefined
  #session: RequestSession | null | undefined
  #kept: KeptAnswer | null = null

  constructor(
    context: GatewayContext,
    admission: Admission,
    route: Route,
    received: ReceivedRequest,
    reply: Reply,
    query: string,
    owner: AttemptsOwner,
  ) {
    this.snapshot = admission.snapshot
    this.route = route
    this.#state = context.live
    this.#gate = openAttemptGate(context, { snapshot: this.snapshot, route, received, reply })
    this.live = this.#gate?.view ?? context.live
    this.#context = context
    this.#admission = admission
    this.#received = received
    this.#reply = reply
    this.#query = query
    this.#owner = owner
  }

  // ── the question ──

  get attempts(): readonly RequestAttempt[] {
    return this.#reply.usage.attempts
  }

  /** By what has passed: a clock that is set must not take a request's time, or give it more. */
  get deadlineAtMs(): number {
    return this.nowMs + this.#leftMs
  }

  get #leftMs(): number {
    return this.route.timeouts.totalMs - this.#reply.usage.elapsedMs
  }

  get wantsStream(): boolean {
    return this.#received.stream
  }

  get rotations(): LiveState['rotations'] {
    return this.#state.rotations
  }

  get random(): () => number {
    return this.#state.random
  }

  get hasRepeat(): boolean {
    return this.#state.hasRepeat(this.route.id)
  }

  get prefixHash(): number | null {
    if (this.#prefixHash === undefined) this.#prefixHash = promptPrefixHash(this.#received.head)
    return this.#prefixHash
  }

  get operation(): string {
    return this.#reply.operation.path
  }

  get session(): RequestSession | null {
    if (this.#session === undefined) this.#session = this.#findSession()
    return this.#session
  }

  #findSession(): RequestSession | null {
    if (this.route.affinity !== 'SESSION') return null
    const { head } = this.#received
    const value = (head.length > 0 ? sessionValueOf(join(head)) : null) ?? this.#reply.exchange.head.sessionId
    return value === '' ? null : new RequestSession(this.#state.sessions, this.route.id, value)
  }

  // ── the loop ──

  begin(): void {
    const { keepAliveMs } = this.route.timeouts
    if (keepAliveMs !== null && this.wantsStream) {
      this.#reply.keepAliveEvery(keepAliveMs, (error) => this.#owner.onFault(error))
    }
    this.next()
  }

  /** The first step, or the one after the last attempt. */
  next(): void {
    this.nowMs = Date.now()
    const step = nextAttempt(this)
    const { usage } = this.#reply
    if (step.divergence) usage.diverged(step.divergence)
    if (step.kind === 'stop') return this.#conclude(step.answer)
    // If it was still open, it was so for the case that nothing else is tried.
    this.#leave()
    if (step.isFallback) usage.fallbackTrigger ??= this.#findTrigger()
    if (step.kind === 'wait') return this.#waitFor(step)
    if (step.isRepeat) this.#state.takeRepeat(this.route.id)
    this.#enter(step, null)
  }

  /** Why a fallback is about to be asked: what became of the last attempt, or why there was none. */
  #findTrigger(): FallbackTrigger {
    return this.attempts.at(-1)?.trigger ?? stageWithoutTarget(this).trigger
  }

  // ── waiting for a place ──

  #waitFor(step: WaitPlan): void {
    const attempt = new WaitAttempt(step, this.#state.wait(step, this.prefixHash, this.deadlineAtMs))
    this.#owner.stage = attempt
    this.#reply.usage.begin(attempt)
    void attempt.wait.result.then((result) => this.#tryEndWait(attempt, result))
  }

  #tryEndWait(attempt: WaitAttempt, result: WaitResult): void {
    try {
      this.#endWait(attempt, result)
    } catch (error) {
      this.#owner.onFault(error)
    }
  }

  #endWait(attempt: WaitAttempt, result: WaitResult): void {
    const { isEnded, usage } = this.#reply
    if (!isEnded) this.#owner.stage = deciding
    if (result.kind !== 'granted') {
      attempt.trigger = result.kind === 'unavailable' ? 'UNAVAILABLE' : 'SATURATED'
      attempt.isEjected = result.kind === 'unavailable' && result.isEjected
      if (!isEnded) this.#lookAgain()
    } else if (isEnded) result.permit[Symbol.dispose]()
    else {
      usage.attempts.pop()
      this.#enter(result.plan, result.permit)
    }
  }

  /** The wait was without success. If nothing was sent yet, the request continues like a new one. */
  #lookAgain(): void {
    const isUnchanged = this.#context.ports.snapshot() === this.snapshot
    if (isUnchanged || this.attempts.some(({ wasSent }) => wasSent)) return this.next()
    const route = this.#admission.findRoute(this.#received)
    if (!route) return
    this.snapshot = this.#admission.snapshot
    this.route = route
    this.#session = undefined
    this.next()
  }

  // ── limits of the backend, and budgets ──

  /** Asked before each attempt. `permit`: of a place that was waited for. */
  #enter(plan: AttemptPlan, permit: Permit | null): void {
    const entry = this.#gate ? this.#gate.enter(plan.backend) : null
    if (!(entry instanceof Promise)) return this.#takeEntry(plan, permit, entry)
    // The place is kept meanwhile.
    const kept = permit ?? this.#state.open(plan)
    void entry.then((late) => this.#tryTakeEntry(plan, kept, late))
  }

  #tryTakeEntry(plan: AttemptPlan, permit: Permit, entry: AttemptEntry | null): void {
    try {
      this.#takeEntry(plan, permit, entry)
    } catch (error) {
      this.#owner.onFault(error)
    }
  }

  #takeEntry(plan: AttemptPlan, permit: Permit | null, entry: AttemptEntry | null): void {
    const isHeldBack = entry !== null && 'reason' in entry
    // Its client has left meanwhile.
    if (this.#reply.isEnded) {
      permit?.[Symbol.dispose]()
      if (entry && !isHeldBack) entry.giveBack()
    } else if (isHeldBack) {
      permit?.[Symbol.dispose]()
      this.#holdBack(plan, entry)
    } else this.#send(plan, permit ?? this.#state.open(plan), entry)
  }

  #holdBack(plan: AttemptPlan, { reason, refusal }: AttemptRefusal): void {
    if (refusal && !this.attempts.some(({ wasSent }) => wasSent)) return this.#reply.refuse(refusal)
    this.#reply.usage.begin(new RefusedAttempt(plan, reason))
    this.next()
  }

  // ── one attempt ──

  #send(plan: AttemptPlan, permit: Permit, hold: AttemptHold | null): void {
    const operation = this.#operationAt(plan)
    const attempt = new SentAttempt(plan, permit, hold, operation, this.#expectation(), this.#mayAddUsage(plan), this)
    this.#owner.stage = attempt
    this.#reply.usage.begin(attempt)
    const { body, length } = this.#received.bodyFor(plan.backend, attempt.addsUsage)
    const { origin, target, headers } = upstreamRequest(plan, this.#clientPart(attempt))
    attempt.call.send(this.#wayTo(plan, origin), { origin, target, headers, body, length })
  }

  #expectation(): CallExpectation {
    return {
      timeouts: this.route.timeouts,
      leftMs: this.#leftMs,
      wantsStream: this.wantsStream,
      protocol: streamProtocolOf(this.#reply.operation),
    }
  }

  /** A plan of last resort goes to what may have refused it meanwhile. */
  #operationAt({ backend }: AttemptPlan): Operation {
    const { operation } = this.#reply
    const asked = operationFor(backend, this.live, operation.path) ?? operation.path
    return asked === operation.path ? operation : findOperation(asked)!
  }

  #mayAddUsage({ backend }: AttemptPlan): boolean {
    return this.#received.lacksUsage && this.#context.streamUsage.mayAsk(backend, this.nowMs)
  }

  #wayTo({ backend }: AttemptPlan, origin: string) {
    const { connections } = this.#context
    return backend.kind === 'deployment'
      ? connections.toDeployment(origin, backend.caCertificates)
      : connections.toProvider(origin, backend.provider.proxyUrl, backend.provider.caCertificates)
  }

  #clientPart({ plan, call, operation }: SentAttempt) {
    const { usage, exchange } = this.#reply
    const names = passedNamesOf(plan.backend)
    const forwarded = names ? exchange.head.forwardedWith(names.request) : exchange.head.forwarded
    return {
      operation,
      query: this.#query,
      forwarded: usage.trace?.attempt(plan, forwarded, call.startedAtMs) ?? forwarded,
      requestId: usage.id,
    }
  }

  /** What became of an attempt's call is known. */
  onOpening(attempt: SentAttempt, opening: CallOpening): void {
    if (this.#reply.isEnded) return
    try {
      this.#judge(attempt, opening)
    } catch (error) {
      this.#owner.onFault(error)
    }
  }

  onFault(error: unknown): void {
    this.#owner.onFault(error)
  }

  #judge(attempt: SentAttempt, opening: CallOpening): void {
    const { call } = attempt
    const outcome = this.#withSession(outcomeOfCall(call, opening, this.route))
    attempt.note(outcome)
    if (opening === 'unreachable' && isLocalShortage(call.failure)) return this.#turnAway(attempt)
    if (this.#isRefusedForUsage(attempt, outcome)) return this.#sendAsItCame(attempt)
    // A request that had hardly any time left says nothing about its upstream.
    if (opening !== 'expired') attempt.observe(outcome.classification)
    if (outcome.classification === 'answer') return this.#relay(attempt)
    if (outcome.classification === 'OPERATION_NOT_SERVED') this.#learnRefused(attempt)
    attempt.fail(triggerOf(outcome.classification))
    this.#keep(attempt, opening)
    this.next()
  }

  /** The state that a request refers to may be at another target. */
  #withSession(outcome: CallOutcome): CallOutcome {
    const { classification, meantStatus, error } = outcome
    if (this.route.affinity !== 'SESSION' || classification !== 'answer' || meantStatus !== 400) return outcome
    return error && saysUnknownState(error) ? { ...outcome, classification: 'UPSTREAM_NOT_FOUND' } : outcome
  }

  /** What a client put into the query may be what was not found, and must not take the operation from others. */
  #learnRefused(attempt: SentAttempt): void {
    attempt.lacksOperation = true
    if (this.#query === '') this.#state.learnOperationRefused(attempt.plan.backend, attempt.operation.path)
  }

  /** Whether a strict server refuses `stream_options`, which only the gateway has added. */
  #isRefusedForUsage({ addsUsage, call }: SentAttempt, { meantStatus, classification }: CallOutcome): boolean {
    if (!addsUsage || classification !== 'answer' || (meantStatus !== 400 && meantStatus !== 422)) return false
    if (call.errorEvent) return namesStreamOptions(call.errorEvent.data ?? '')
    return call.isComplete && namesStreamOptions(join(call.peekChunks()).toString())
  }

  /** The client's own request once more to the same place: it is the same attempt, and nothing is held against anybody. */
  #sendAsItCame(attempt: SentAttempt): void {
    const { plan, permit, hold, call } = attempt
    this.#context.streamUsage.noteRefusal(plan.backend.id, this.nowMs)
    call.abandon()
    this.#reply.usage.attempts.pop()
    this.#send(plan, permit, hold)
  }

  /** The gateway itself has no room for a connection: another upstream could not be reached either. */
  #turnAway(attempt: SentAttempt): void {
    attempt.fail('CONNECT_ERROR')
    this.#leave()
    this.#reply.refuse({ code: 'overloaded' }, 1_000)
  }

  /**
   * For the case that no other comes. What broke off is no answer: with its length it would look whole. What speaks of the gateway's
   * own credential is no client's business. What is too long or too slow to be kept stays open.
   */
  #keep(attempt: SentAttempt, opening: CallOpening): void {
    const { call, trigger } = attempt
    const isAnswer = opening === 'failedStream' ? call.errorEvent !== null : opening === 'answering' && !call.isBroken
    const isWhole = call.isComplete || call.isStream
    if (isAnswer && isWhole && trigger !== 'UPSTREAM_AUTH') {
      const bytes = join(call.peekChunks())
      const body = call.isStream ? wholeEventsOf(bytes, call.isComplete) : bytes
      this.#kept = { attempt, status: call.status, headers: passedHeaders(attempt), body }
    }
    if (!isAnswer || isWhole) this.#leave()
  }

  #leave(): void {
    leaveStage(this.#owner.stage)
    this.#owner.stage = deciding
  }

  // ── the answer ──

  #relay(attempt: SentAttempt): void {
    this.#reply.stopKeepAlive()
    if (this.#reply.hasBegun && !attempt.call.isStream) return this.#tellInStream(attempt)
    const onEnd = this.#noteSession(attempt)
    this.#owner.stage = new AttemptRelay(attempt, this.#reply, this.#received, onEnd)
    this.#admission.releaseBody()
  }

  /** The client has the head of a stream, but the answer is not a stream: an error is sent as an event. */
  #tellInStream(attempt: SentAttempt): void {
    const { call, isRefused } = attempt
    const kept = { attempt, status: call.status, headers: [], body: join(call.peekChunks()) }
    this.#leave()
    if (isRefused && call.isComplete) this.#reply.pass(kept)
    else this.#reply.refuse({ code: 'upstream_invalid_answer' })
  }

  /** Stores where the session's state is from now on. Returns a function to call at the end of the answer; null if none is needed. */
  #noteSession({ call, targetId, trigger }: SentAttempt): RelayListener | null {
    const { route } = this
    if (route.affinity !== 'SESSION' || targetId === null || trigger !== null || call.status >= 300) return null
    if (this.attempts.length > 1) this.session?.keep(targetId)
    if (this.operation !== '/v1/responses' || this.#rememberAnswer(answerIdIn(call.peekChunks()), targetId)) return null
    // The first bytes of an answer may end within its id, or before.
    return (head) => void this.#rememberAnswer(answerIdOf(head), targetId)
  }

  #rememberAnswer(id: string | null, targetId: string): boolean {
    if (id !== null) this.#state.sessions.rememberAnswer(this.route.id, id, targetId)
    return id !== null
  }

  /** No further attempt: passes on the last answer, or the error that says why there is none. */
  #conclude(answer: FinalAnswer): void {
    const { stage } = this.#owner
    if (answer.kind === 'error') {
      this.#leave()
      const quota = answer.code === 'no_target_available' ? (this.#gate?.quotaRefusal() ?? null) : null
      if (quota) return this.#reply.refuse(quota)
      const fault = { code: answer.code, detail: `\`${this.operation}\`` }
      const headers = answer.shouldRetry ? [] : ['x-should-retry', 'false']
      return this.#reply.refuse({ ...fault, headers }, answer.retryAfterMs)
    }
    // The last one, whose body was too long or too slow to be waited for.
    if (stage.stage === 'attempting') return this.#passOpen(stage)
    if (this.#kept) this.#reply.pass(this.#kept)
    else this.#reply.refuse({ code: 'upstream_unreachable' })
  }

  /** An error as it comes; a redirect or a page would lead clients astray. */
  #passOpen(attempt: SentAttempt): void {
    if (attempt.call.status >= 400) return this.#relay(attempt)
    this.#leave()
    this.#reply.refuse({ code: 'upstream_invalid_answer' })
  }
}
