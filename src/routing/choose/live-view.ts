import type { Backend } from '../config/snapshot.ts'

/** Why a limit of a backend, or a budget, keeps a request from it. */
export interface BackendLimit {
  readonly reason: 'RATE_LIMITED' | 'BUDGET_EXHAUSTED'
  /** Until it may have room again. */
  readonly retryAfterMs: number
}

/**
 * The live state that decisions are made with, as a question-and-answer interface: the gateway answers from its own
 * counters, the control plane from what the gateways report. It is keyed by identity and outlives every snapshot.
 */
export interface LiveView {
  /**
   * Whether requests may be sent there as far as health goes: its circuit is closed, or due for a trial, and its active
   * checks pass. `id` is an endpoint's or a provider model's.
   */
  isHealthy(id: string): boolean
  /** Whether an endpoint can take one more request within its `maxInFlight`; true for what has no bound. */
  hasCapacity(endpointId: string, maxInFlight: number | null): boolean
  /** Whether the backend answered lately that it does not have the operation, which is named as clients call it. */
  isOperationRefused(backendId: string, operation: string): boolean
  /** Requests in flight at an endpoint. */
  inFlight(endpointId: string): number
  /** Requests in flight at an endpoint or a provider model, over all gateways as far as they have told. */
  inFlightEverywhere(id: string): number
  /** Requests in a deployment's waiting room. */
  waiting(deploymentId: string): number
  /** When its open circuit or its bench is due to be tried again, in milliseconds since the epoch; 0: it is not out. */
  retryAtMs(id: string): number
  /** When it was last ejected, in milliseconds since the epoch; 0: it is not. Decides who was ejected least recently. */
  ejectedAtMs(id: string): number
  /** The limit or budget that keeps requests from it now, as far as it is known; null: none. Without it there are no limits. */
  limitOf?(backend: Backend): BackendLimit | null
}
