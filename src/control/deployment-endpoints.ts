import type { EndpointConfiguration } from '../routing/configuration.ts'
import type { ServingState } from '../routing/vocabulary.ts'
import { createId } from '../storage/create-id.ts'
import type { UpstreamPolicy } from './control.ts'
import { refuseInput } from './refusal.ts'
import { requireUpstreamUrl } from './upstream-url.ts'

const maxEndpoints = 256

export interface EndpointInput {
  readonly url: string
  readonly weight?: number
  readonly maxInFlight?: number | null | undefined
  readonly state?: ServingState
}

/**
 * The endpoints as they are stored, in order of creation; one whose URL was there before keeps its id. Throws `INVALID`,
 * `UNSAFE_URL` or `LIMIT_EXCEEDED` at the place of the fault.
 */
export function resolveEndpoints(
  inputs: readonly EndpointInput[],
  before: readonly EndpointConfiguration[],
  path: readonly string[],
  policy: UpstreamPolicy,
): EndpointConfiguration[] {
  if (inputs.length > maxEndpoints)
    throw refuseInput('LIMIT_EXCEEDED', path, `A deployment has at most ${maxEndpoints} endpoints.`)
  const idsByUrl = new Map(before.map((endpoint) => [endpoint.url, endpoint.id]))
  const seen = new Set<string>()
  const endpoints = inputs.map((input, index) => {
    const at = [...path, String(index)]
    const url = requireUpstreamUrl(input.url, [...at, 'url'], policy)
    if (seen.has(url)) throw refuseInput('INVALID', [...at, 'url'], 'The endpoint is listed twice.')
    seen.add(url)
    return {
      id: idsByUrl.get(url) ?? createId('DeploymentEndpoint'),
      url,
      weight: requireWhole(input.weight ?? 1, 1, 1_000, [...at, 'weight']),
      maxInFlight:
        input.maxInFlight == null ? null : requireWhole(input.maxInFlight, 1, 1_000_000, [...at, 'maxInFlight']),
      state: input.state ?? 'ACTIVE',
    }
  })
  return endpoints.toSorted((a, b) => (a.id < b.id ? -1 : 1))
}

function requireWhole(value: number, least: number, most: number, path: readonly string[]): number {
  if (!Number.isInteger(value) || value < least || value > most)
    throw refuseInput('INVALID', path, `It is a whole number from ${least} to ${most}.`)
  return value
}
