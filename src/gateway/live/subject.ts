import { closedCircuit, allowsRequest, circuitRetryAtMs, type Circuit } from '../../routing/circuit.ts'
import { isBenched, notBenched, type CredentialBench } from '../../routing/credential-bench.ts'
import type { BackendHealthReport } from '../../routing/backend-health.ts'
import { passingCheck, type CheckState } from './check-state.ts'
import type { Permit } from './permit.ts'
import type { WaitingRoom } from './waiting-room.ts'

/** All that is live of one id: an endpoint, a provider model, or a credential. */
export class Subject {
  readonly id: string
  /** The deployment, provider model or provider that must have it for it to exist. */
  readonly ownerId: string
  inFlight = 0
  circuit: Circuit = closedCircuit
  /** The one trial at a time, while it is undecided. */
  trial: Permit | null = null
  /** Of a credential. */
  bench: CredentialBench = notBenched
  /** Of an endpoint. */
  check: CheckState = passingCheck
  /** The deployment's, once a request waited in it. */
  room: WaitingRoom | null = null
  /** Of the last failure, bounded and without secrets. */
  lastError: string | null = null
  observedAtMs = 0

  constructor(id: string, ownerId: string) {
    this.id = id
    this.ownerId = ownerId
  }

  /** Whether nothing is against it, whatever the time. */
  get isFine(): boolean {
    return this.circuit.state === 'CLOSED' && this.check.isPassing && this.bench.untilMs === 0
  }

  isHealthy(nowMs: number): boolean {
    return this.check.isPassing && allowsRequest(this.circuit, nowMs) && !isBenched(this.bench, nowMs)
  }

  /** 0: it is not out. */
  retryAtMs(nowMs: number): number {
    const benchedUntil = isBenched(this.bench, nowMs) ? this.bench.untilMs : 0
    const checkedAt = this.check.isPassing ? 0 : this.check.nextAtMs
    return Math.max(circuitRetryAtMs(this.circuit), benchedUntil, checkedAt)
  }

  /** 0: it is not ejected. */
  ejectedAtMs(nowMs: number): number {
    const benchedAt = isBenched(this.bench, nowMs) ? this.bench.benchedAtMs : 0
    return Math.max(this.circuit.openedAtMs, benchedAt, this.check.isPassing ? 0 : this.check.failedAtMs)
  }

  /** A failing check and a bench show as an open circuit: nothing is sent. */
  report(nowMs: number): BackendHealthReport {
    const isOut = !this.check.isPassing || isBenched(this.bench, nowMs)
    return {
      circuit: isOut ? 'OPEN' : this.circuit.state,
      consecutiveFailures: Math.max(this.circuit.consecutiveFailures, this.check.failures, this.bench.refusals),
      retryAtMs: this.retryAtMs(nowMs) || null,
      ejectedAtMs: this.ejectedAtMs(nowMs) || null,
      lastError: this.lastError,
      observedAtMs: this.observedAtMs,
    }
  }
}
