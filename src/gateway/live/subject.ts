import { closedCircuit, allowsRequest, circuitRetryAtMs, type Circuit } from '../../routing/health/circuit.ts'
import { isBenched, notBenched, type CredentialBench } from '../../routing/health/credential-bench.ts'
import type { BackendHealthReport, EjectionCause } from '../../routing/health/backend-health.ts'
import { passingCheck, type CheckState } from './check-state.ts'

/** All that is live of one id: an endpoint, a provider model, or a credential. */
export class Subject {
  readonly id: string
  /** The deployment, provider model or provider that must have it for it to exist. */
  readonly ownerId: string
  inFlight = 0
  circuit: Circuit = closedCircuit
  /** The last attempt that was begun before the circuit opened: none up to it says anything about what came afterwards. */
  openedAfter = 0
  /** The attempt number of the running trial; 0 if there is none. */
  trial = 0
  /** Of a credential. */
  bench: CredentialBench = notBenched
  /** The last attempt that was begun before the bench began. */
  benchedAfter = 0
  /** Of an endpoint. */
  check: CheckState = passingCheck
  /** Who waits for the deployment, once a request waited for it. */
  queue: { readonly size: number } | null = null
  /** Where the requests went; null: none did yet. What was learned of one address does not hold for another. */
  address: string | null = null
  /** Of the last failure, bounded and without secrets. */
  lastError: string | null = null
  observedAtMs = 0
  /** The last attempt that was begun before something came from here, and by which attempt it came. */
  #heardAfter = 0
  #heardBy = 0
  /** The same of what came by any other attempt than `#heardBy`. */
  #otherHeardAfter = 0

  constructor(id: string, ownerId: string) {
    this.id = id
    this.ownerId = ownerId
  }

  /** Something came by attempt `by`; `last` is the one that was begun last. */
  hear(by: number, last: number): void {
    if (by !== this.#heardBy) {
      this.#otherHeardAfter = this.#heardAfter
      this.#heardBy = by
    }
    this.#heardAfter = last
  }

  /** Whether something came by another attempt since this one was begun. */
  hasHeardOthersSince(attempt: number): boolean {
    return (this.#heardBy === attempt ? this.#otherHeardAfter : this.#heardAfter) >= attempt
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
    const cause = this.#causeAt(nowMs)
    return {
      circuit: cause === 'CHECK' || cause === 'BENCH' ? 'OPEN' : this.circuit.state,
      cause,
      consecutiveFailures: Math.max(this.circuit.consecutiveFailures, this.check.failures, this.bench.refusals),
      retryAtMs: this.retryAtMs(nowMs) || null,
      ejectedAtMs: this.ejectedAtMs(nowMs) || null,
      failingSinceMs: this.#failingSinceMs || null,
      lastError: this.lastError,
      observedAtMs: this.observedAtMs,
    }
  }

  /** 0: nothing is against it. A bench that is over is against it until the credential was accepted. */
  get #failingSinceMs(): number {
    const since = [this.circuit.failingSinceMs, this.bench.refusedSinceMs, this.check.failedAtMs]
    return since.reduce((first, ms) => (ms > 0 && (first === 0 || ms < first) ? ms : first), 0)
  }

  #causeAt(nowMs: number): EjectionCause | null {
    if (!this.check.isPassing) return 'CHECK'
    if (isBenched(this.bench, nowMs)) return 'BENCH'
    return this.circuit.state === 'CLOSED' ? null : 'CIRCUIT'
  }

  /** It has another address: what came before was about another server. `last` is the attempt that was begun last. */
  moveTo(address: string, last: number): void {
    this.address = address
    this.circuit = closedCircuit
    this.check = passingCheck
    this.openedAfter = last
    this.trial = 0
    this.lastError = null
  }
}
