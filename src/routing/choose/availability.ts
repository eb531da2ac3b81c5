/** Available: serving, healthy and not full. The only question that selection asks. */
import { operationAsked } from '../vendors/backend-operations.ts'
import type { EndpointConfiguration } from '../config/configuration.ts'
import type { LiveView } from './live-view.ts'
import type { Backend, DeploymentBackend, Target } from '../config/snapshot.ts'
import type { TargetAvailability } from '../config/vocabulary.ts'

export type BackendAvailability = Exclude<TargetAvailability, 'NO_WEIGHT'>

/** Whether the backend could take a request now. `operation` is the path as clients call it; null means any. */
export function isAvailable(backend: Backend | undefined, live: LiveView, operation: string | null): boolean {
  return backendAvailability(backend, live, operation) === 'AVAILABLE'
}

/** Whether a target could take a request now; if not, the first reason in the order of `targetAvailabilities`. */
export function targetAvailability(
  target: Target,
  backend: Backend | undefined,
  live: LiveView,
  operation: string | null,
): TargetAvailability {
  return target.weight === 0 ? 'NO_WEIGHT' : backendAvailability(backend, live, operation)
}

export function backendAvailability(
  backend: Backend | undefined,
  live: LiveView,
  operation: string | null,
): BackendAvailability {
  if (backend?.state !== 'ACTIVE') return 'NOT_SERVING'
  if (operation !== null && !servesOperation(backend, live, operation)) return 'OPERATION_NOT_SERVED'
  const availability = placeAvailability(backend, live)
  return availability === 'AVAILABLE' ? (live.limitOf?.(backend)?.reason ?? availability) : availability
}

function placeAvailability(backend: Backend, live: LiveView): BackendAvailability {
  if (backend.kind === 'deployment') return deploymentAvailability(backend, live)
  return live.isHealthy(backend.id) ? 'AVAILABLE' : 'UNHEALTHY'
}

/** Without an endpoint that is `ACTIVE` it has none; with healthy ones that are all full it is saturated. */
function deploymentAvailability(backend: DeploymentBackend, live: LiveView): BackendAvailability {
  let reason: BackendAvailability = 'NO_ENDPOINT'
  for (const endpoint of backend.endpoints) {
    if (endpoint.state !== 'ACTIVE') continue
    if (!live.isHealthy(endpoint.id)) {
      if (reason === 'NO_ENDPOINT') reason = 'UNHEALTHY'
    } else if (live.hasCapacity(endpoint.id, endpoint.maxInFlight)) {
      return 'AVAILABLE'
    } else {
      reason = 'SATURATED'
    }
  }
  return reason
}

/** Whether the backend serves the operation, as far as that is stated, known, or was learned from its answers. */
export function servesOperation(backend: Backend, live: LiveView, operation: string): boolean {
  return operationFor(backend, live, operation) !== null
}

/** The operation that is sent to the backend for `operation`: the same or an older form of it; null if the backend serves neither. */
export function operationFor(backend: Backend, live: LiveView, operation: string): string | null {
  return operationAsked(backend, operation, (name) => live.isOperationRefused(backend.id, name))
}

/** Whether one more request may wait in the backend's queue. */
export function hasPlaceToWait(backend: Backend | undefined, live: LiveView): boolean {
  return backend?.kind === 'deployment' && live.waiting(backend.id) < backend.queue.maxWaiting
}

/** The endpoints that could take a request now, without those in `excluded`. */
export function availableEndpoints(
  backend: DeploymentBackend,
  live: LiveView,
  excluded: ReadonlySet<string> | null,
): readonly EndpointConfiguration[] {
  return backend.endpoints.filter((endpoint) => !excluded?.has(endpoint.id) && isEndpointAvailable(endpoint, live))
}

function isEndpointAvailable(endpoint: EndpointConfiguration, live: LiveView): boolean {
  return (
    endpoint.state === 'ACTIVE' && live.isHealthy(endpoint.id) && live.hasCapacity(endpoint.id, endpoint.maxInFlight)
  )
}

/** Endpoints that serve and are healthy, full or not: `Deployment.readyEndpoints`. */
export function readyEndpoints(backend: DeploymentBackend, live: LiveView): number {
  if (backend.state !== 'ACTIVE') return 0
  return backend.endpoints.filter((endpoint) => endpoint.state === 'ACTIVE' && live.isHealthy(endpoint.id)).length
}

/**
 * The earliest ejection of the backend or of its endpoints, in milliseconds since the epoch; null if nothing is ejected, or if only
 * endpoints are ejected that could not take a request anyway.
 */
export function firstEjectedAtMs(backend: Backend | undefined, live: LiveView): number | null {
  if (backend?.state !== 'ACTIVE') return null
  if (backend.kind === 'providerModel') return live.isHealthy(backend.id) ? null : live.ejectedAtMs(backend.id)
  const endpoint = leastRecentlyEjected(backend, live)
  return endpoint && live.ejectedAtMs(endpoint.id)
}

/** The ejected endpoint with capacity whose ejection is oldest. */
export function leastRecentlyEjected(backend: DeploymentBackend, live: LiveView): EndpointConfiguration | null {
  let first: EndpointConfiguration | null = null
  for (const endpoint of backend.endpoints) {
    if (endpoint.state !== 'ACTIVE' || live.isHealthy(endpoint.id)) continue
    if (!live.hasCapacity(endpoint.id, endpoint.maxInFlight)) continue
    if (!first || live.ejectedAtMs(endpoint.id) < live.ejectedAtMs(first.id)) first = endpoint
  }
  return first
}
