import type { EndpointConfiguration } from '../../routing/config/configuration.ts'
import type { ServingState } from '../../routing/config/vocabulary.ts'
import { createId } from '../../storage/database/create-id.ts'
import type { UrlPolicy } from '../kit/context.ts'
import { collectEach, collectMembers } from '../kit/collect-faults.ts'
import { refuseInput } from '../kit/refusal.ts'
import { requireUpstreamUrl } from '../kit/upstream-url.ts'

const maxEndpoints = 256

export interface EndpointInput {
  readonly url: string
  readonly weight?: number
  readonly maxInFlight?: number | null | undefined
  readonly state?: ServingState
}

export interface EndpointChange {
  readonly weight?: number | null | undefined
  /** Null: no bound. */
  readonly maxInFlight?: number | null | undefined
  readonly state?: ServingState | null | undefined
}

/**
 * The stored form of the endpoints, in order of creation. An endpoint whose URL was listed before keeps its id. Throws `INVALID`,
 * `UNSAFE_URL` or `LIMIT_EXCEEDED` at the path of the fault.
 */
export function resolveEndpoints(
  inputs: readonly EndpointInput[],
  before: readonly EndpointConfiguration[],
  path: readonly string[],
  policy: UrlPolicy,
  placeOf = (index: number): readonly string[] => [...path, String(index)],
): EndpointConfiguration[] {
  requireFewEndpoints(inputs, path)
  const endpointsByUrl = new Map(before.map((endpoint) => [endpoint.url, endpoint]))
  const seen = new Set<string>()
  const requireNewUrl = (text: string, at: readonly string[]) => {
    const url = requireUpstreamUrl(text, at, policy)
    if (seen.has(url)) throw refuseInput('INVALID', at, 'The endpoint is listed twice.')
    seen.add(url)
    return url
  }
  const endpoints = collectEach(inputs, (input, index) => {
    const at = placeOf(index)
    const { url, weight, maxInFlight } = collectMembers({
      url: () => requireNewUrl(input.url, [...at, 'url']),
      weight: () => requireWhole(input.weight ?? 1, 1, 1_000, [...at, 'weight']),
      maxInFlight: () => (input.maxInFlight === undefined ? undefined : requireMaxInFlight(input.maxInFlight, at)),
    })
    const old = endpointsByUrl.get(url)
    return {
      id: old?.id ?? createId('DeploymentEndpoint'),
      url,
      weight,
      maxInFlight: maxInFlight === undefined ? (old?.maxInFlight ?? null) : maxInFlight,
      state: input.state ?? 'ACTIVE',
    }
  })
  return endpoints.toSorted((a, b) => (a.id < b.id ? -1 : 1))
}

/** Returns the endpoints. Throws `LIMIT_EXCEEDED` if they are too many. */
export function requireFewEndpoints<T>(
  endpoints: readonly T[],
  path: readonly string[] = ['input', 'endpoint'],
): readonly T[] {
  if (endpoints.length <= maxEndpoints) return endpoints
  throw refuseInput('LIMIT_EXCEEDED', path, `A deployment has at most ${maxEndpoints} endpoints.`)
}

/** The endpoint after the change. Omitted and null members stay, except `maxInFlight`, which null removes. */
export function updatedEndpoint(before: EndpointConfiguration, input: EndpointChange): EndpointConfiguration {
  const at = ['input']
  return {
    ...before,
    weight: input.weight == null ? before.weight : requireWhole(input.weight, 1, 1_000, [...at, 'weight']),
    maxInFlight: input.maxInFlight === undefined ? before.maxInFlight : requireMaxInFlight(input.maxInFlight, at),
    state: input.state ?? before.state,
  }
}

function requireMaxInFlight(value: number | null, at: readonly string[]): number | null {
  return value === null ? null : requireWhole(value, 1, 1_000_000, [...at, 'maxInFlight'])
}

function requireWhole(value: number, least: number, most: number, path: readonly string[]): number {
  if (!Number.isInteger(value) || value < least || value > most)
    throw refuseInput('INVALID', path, `It is a whole number from ${least} to ${most}.`)
  return value
}
