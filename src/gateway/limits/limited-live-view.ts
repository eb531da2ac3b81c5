import type { BackendLimit, LiveView } from '../../routing/choose/live-view.ts'
import type { Backend } from '../../routing/config/snapshot.ts'

/** The live state as one request sees it: with the limits and budgets that bind this caller. */
export class LimitedLiveView implements LiveView {
  readonly #state: LiveView
  readonly limitOf: (backend: Backend) => BackendLimit | null

  constructor(state: LiveView, limitOf: (backend: Backend) => BackendLimit | null) {
    this.#state = state
    this.limitOf = limitOf
  }

  isHealthy(id: string): boolean {
    return this.#state.isHealthy(id)
  }

  hasCapacity(endpointId: string, maxInFlight: number | null): boolean {
    return this.#state.hasCapacity(endpointId, maxInFlight)
  }

  isOperationRefused(backendId: string, operation: string): boolean {
    return this.#state.isOperationRefused(backendId, operation)
  }

  inFlight(endpointId: string): number {
    return this.#state.inFlight(endpointId)
  }

  inFlightEverywhere(id: string): number {
    return this.#state.inFlightEverywhere(id)
  }

  waiting(deploymentId: string): number {
    return this.#state.waiting(deploymentId)
  }

  retryAtMs(id: string): number {
    return this.#state.retryAtMs(id)
  }

  ejectedAtMs(id: string): number {
    return this.#state.ejectedAtMs(id)
  }
}
