import type { Attempt, AttemptPlan, WaitPlan } from '../routing/next-attempt.ts'
import type { AttemptRecord } from '../routing/usage-record.ts'
import type { FallbackTrigger } from '../routing/vocabulary.ts'
import { monotonicMs } from './monotonic.ts'

/** One attempt of a request: what the next decision depends on, and what its usage record will say. */
export class AttemptLog implements Attempt {
  readonly plan: AttemptPlan | WaitPlan
  readonly startedAtMs = monotonicMs()
  endedAtMs = 0
  status: number | null = null
  trigger: FallbackTrigger | null = null
  /** What upstream or the connection said, bounded and without secrets; null for an answer. */
  error: string | null = null
  upstreamRequestId: string | null = null

  constructor(plan: AttemptPlan | WaitPlan) {
    this.plan = plan
  }

  get targetId(): string | null {
    return this.plan.target?.id ?? null
  }

  get backendId(): string {
    return this.plan.backend.id
  }

  get endpointId(): string | null {
    return this.plan.kind === 'attempt' ? (this.plan.endpoint?.id ?? null) : null
  }

  get credentialId(): string | null {
    return this.plan.kind === 'attempt' ? (this.plan.credential?.id ?? null) : null
  }

  get isFallback(): boolean {
    return this.plan.isFallback
  }

  get wasSent(): boolean {
    return this.plan.kind === 'attempt'
  }

  get durationMs(): number {
    return (this.endedAtMs || monotonicMs()) - this.startedAtMs
  }

  toRecord(isLast: boolean): AttemptRecord {
    const { plan } = this
    return {
      targetId: this.targetId,
      backendId: this.backendId,
      backendLabel: plan.backend.label,
      endpointId: this.endpointId,
      endpointUrl: plan.kind === 'attempt' ? (plan.endpoint?.url ?? null) : null,
      isFallback: plan.isFallback,
      status: this.status,
      trigger: isLast ? null : this.trigger,
      durationMs: this.durationMs,
      credentialHint: plan.kind === 'attempt' ? (plan.credential?.hint ?? null) : null,
      error: this.error,
      upstreamRequestId: this.upstreamRequestId,
    }
  }
}
