import { type Classification, parseRetryAfter } from '../../routing/health/classify-outcome.ts'
import type { Attempt, AttemptPlan, WaitPlan } from '../../routing/choose/next-attempt.ts'
import type { BackendLimit } from '../../routing/choose/live-view.ts'
import type { Operation } from '../../routing/vendors/operation.ts'
import type { AttemptRecord } from '../../routing/usage/record.ts'
import type { FallbackTrigger } from '../../routing/config/vocabulary.ts'
import type { AttemptHold } from '../limits/attempt-hold.ts'
import type { Permit } from '../live/permit.ts'
import type { Wait } from '../live/waiting-room.ts'
import { monotonicMs } from '../loop/monotonic.ts'
import { type CallOpening, type CallOwner, type CallExpectation, UpstreamCall } from '../upstream/call.ts'
import type { CallOutcome } from './call-outcome.ts'
import { errorText } from './error-text.ts'

/** What a request tried: it sent something, it only waited for a place, or a limit kept it back. */
export type RequestAttempt = SentAttempt | WaitAttempt | RefusedAttempt

/** Who made an attempt. */
export interface AttemptOwner {
  /** Called once, unless the attempt is left before. */
  onOpening(attempt: SentAttempt, opening: CallOpening): void
  onFault(error: unknown): void
}

/** One attempt of a request: the place that it holds, its call, and what the next decision and the usage record need of it. */
export class SentAttempt implements Attempt, CallOwner {
  readonly stage = 'attempting'
  readonly wasSent = true
  /** It was answered that there is no such path. */
  lacksOperation = false
  readonly plan: AttemptPlan
  readonly permit: Permit
  readonly call: UpstreamCall
  /** What it took of limits and budgets; null: none binds it. */
  readonly hold: AttemptHold | null
  /** The one that upstream is asked for: the client's, or its older form. */
  readonly operation: Operation
  /** Whether the gateway asks for the usage of the stream where the client did not. */
  readonly addsUsage: boolean
  status: number | null = null
  trigger: FallbackTrigger | null = null
  /** The error of the upstream or the connection, bounded and without secrets; null for an answer. */
  error: string | null = null
  upstreamRequestId: string | null = null
  /** Upstream refused the request for what it is, be it by its status or by an error with a good one. */
  isRefused = false
  /** 0: it is under way. */
  endedAtMs = 0
  readonly #owner: AttemptOwner

  constructor(
    plan: AttemptPlan,
    permit: Permit,
    hold: AttemptHold | null,
    operation: Operation,
    expectation: CallExpectation,
    addsUsage: boolean,
    owner: AttemptOwner,
  ) {
    this.plan = plan
    this.permit = permit
    this.hold = hold
    this.operation = operation
    this.addsUsage = addsUsage
    this.call = new UpstreamCall(expectation, this)
    this.#owner = owner
  }

  get targetId(): string | null {
    return this.plan.target?.id ?? null
  }

  get backendId(): string {
    return this.plan.backend.id
  }

  get endpointId(): string | null {
    return this.plan.endpoint?.id ?? null
  }

  get credentialId(): string | null {
    return this.plan.credential?.id ?? null
  }

  get isFallback(): boolean {
    return this.plan.isFallback
  }

  get durationMs(): number {
    return (this.endedAtMs || monotonicMs()) - this.call.startedAtMs
  }

  onBytes(): void {
    this.permit.hear()
  }

  onOpening(_call: UpstreamCall, opening: CallOpening): void {
    this.#owner.onOpening(this, opening)
  }

  onFault(error: unknown): void {
    this.#owner.onFault(error)
  }

  /** Tells circuits and benches what came of it. */
  observe(classification: Classification): void {
    const { call, status } = this
    const retryAfter = call.head?.retryAfter ?? null
    const retryAfterMs = retryAfter === null ? null : parseRetryAfter(retryAfter, Date.now())
    this.permit.observe({ classification, status, retryAfterMs, error: call.failure })
  }

  /** Notes what an outcome says, for the record. */
  note(outcome: CallOutcome): void {
    const { call, plan } = this
    this.status = call.status || null
    this.upstreamRequestId = call.head?.requestId ?? null
    this.isRefused = outcome.meantStatus >= 400
    if (outcome.classification !== 'answer' || this.isRefused) this.error = errorText(outcome, call, plan)
  }

  /** It is no answer. */
  fail(trigger: FallbackTrigger): void {
    this.trigger = trigger
    this.endedAtMs = monotonicMs()
    this.hold?.fail()
  }

  /** Closes the call if it is open, and gives the place back. */
  leave(): void {
    this.call.abandon()
    this.permit[Symbol.dispose]()
  }

  toRecord(isLast: boolean): AttemptRecord {
    const { backend, endpoint, credential, isFallback } = this.plan
    return {
      targetId: this.targetId,
      backendId: backend.id,
      backendLabel: backend.label,
      endpointId: this.endpointId,
      endpointUrl: endpoint?.url ?? null,
      isFallback,
      status: this.status,
      trigger: isLast ? null : this.trigger,
      durationMs: this.durationMs,
      credentialHint: credential?.hint ?? null,
      error: this.error,
      upstreamRequestId: this.upstreamRequestId,
    }
  }
}

/** A wait for a place at a deployment. In vain, it is an attempt that was not sent. */
export class WaitAttempt implements Attempt {
  readonly stage = 'waiting'
  readonly wasSent = false
  /** What was waited for was ejected meanwhile. */
  isEjected = false
  readonly status = null
  readonly endpointId = null
  readonly credentialId = null
  readonly plan: WaitPlan
  readonly wait: Wait
  trigger: FallbackTrigger | null = null

  constructor(plan: WaitPlan, wait: Wait) {
    this.plan = plan
    this.wait = wait
  }

  get targetId(): string | null {
    return this.plan.target?.id ?? null
  }

  get backendId(): string {
    return this.plan.backend.id
  }

  get isFallback(): boolean {
    return this.plan.isFallback
  }
}

/** A limit of the backend, or a budget, had no room: an attempt that was not sent. */
export class RefusedAttempt implements Attempt {
  readonly wasSent = false
  readonly status = null
  readonly endpointId = null
  readonly credentialId = null
  readonly trigger = 'UNAVAILABLE'
  readonly plan: AttemptPlan
  readonly reason: BackendLimit['reason']

  constructor(plan: AttemptPlan, reason: BackendLimit['reason']) {
    this.plan = plan
    this.reason = reason
  }

  get targetId(): string | null {
    return this.plan.target?.id ?? null
  }

  get backendId(): string {
    return this.plan.backend.id
  }

  get isFallback(): boolean {
    return this.plan.isFallback
  }
}
