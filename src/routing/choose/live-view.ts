import type { Backend } from '../config/snapshot.ts'

/** Why a rate limit or a budget makes a backend unavailable. */
export interface BackendLimit {
  readonly reason: 'RATE_LIMITED' | 'BUDGET_EXHAUSTED'
  /** The time until it may have room again. */
  readonly retryAfterMs: number
}

/**
 * The live state with which targets are chosen. The gateway implements it with its own counters, the control plane with the reports of
 * the gateways. The state is keyed by id and survives changes of the snapshot.
 */
export interface LiveView {
  /**
   * Whether its health allows a request: its circuit is closed or due for a trial, and its active checks pass. `id` is that of an
   * endpoint or a provider model.
   */
  isHealthy(id: string): boolean
  /** Whether an endpoint can take one more request within its `maxInFlight`; true if that is null. */
  hasCapacity(endpointId: string, maxInFlight: number | null): boolean
  /** Whether the backend recently answered that it does not have the operation. `operation` is the path as clients call it. */
  isOperationRefused(backendId: string, operation: string): boolean
  /** Requests in flight at an endpoint. */
  inFlight(endpointId: string): number
  /** Requests in flight at an endpoint or a provider model, over all gateways as last reported. */
  inFlightEverywhere(id: string): number
  /** Requests that wait in the queue of a deployment. */
  waiting(deploymentId: string): number
  /** When its open circuit or its bench allows the next trial, in milliseconds since the epoch; 0 if it is neither open nor benched. */
  retryAtMs(id: string): number
  /** When it was last ejected, in milliseconds since the epoch; 0 if it is not ejected. */
  ejectedAtMs(id: string): number
  /** The limit or budget that makes the backend unavailable now, as far as known; null if none. Without this method there are no limits. */
  limitOf?(backend: Backend): BackendLimit | null
}
