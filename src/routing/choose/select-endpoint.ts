/** The choice of an endpoint within a deployment. */
import { availableEndpoints } from './availability.ts'
import type { EndpointConfiguration } from '../config/configuration.ts'
import type { LiveView } from './live-view.ts'
import type { Rotations } from './rotation.ts'
import type { DeploymentBackend } from '../config/snapshot.ts'

export interface EndpointQuestion {
  readonly live: LiveView
  readonly rotations: Rotations
  /** Numbers in [0, 1). */
  readonly random: () => number
  /** A 32-bit hash of the start of the prompt; null if the request has none. */
  readonly prefixHash: number | null
}

/** An endpoint of `backend` that is available and not in `excluded`, by the deployment's load balancing; null: there is none. */
export function selectEndpoint(
  backend: DeploymentBackend,
  question: EndpointQuestion,
  excluded: ReadonlySet<string> | null = null,
): EndpointConfiguration | null {
  const { live } = question
  const open = availableEndpoints(backend, live, excluded)
  if (open.length < 2) return open[0] ?? null
  switch (backend.loadBalancing) {
    case 'LEAST_IN_FLIGHT':
      return lessBusyOfTwo(open, live, question.random(), question.random())
    case 'WEIGHTED_ROUND_ROBIN':
      return nextInTurn(backend, open, question.rotations)
    case 'PREFIX_AFFINITY':
      if (question.prefixHash === null) return lessBusyOfTwo(open, live, question.random(), question.random())
      return nearestWithRoom(open, live, question.prefixHash)
  }
}

/**
 * The less busy, by weight, of two that are drawn (Mitzenmacher, "The power of two choices in randomized load balancing").
 * `open` has at least two.
 */
function lessBusyOfTwo(
  open: readonly EndpointConfiguration[],
  live: LiveView,
  firstDraw: number,
  secondDraw: number,
): EndpointConfiguration {
  const first = Math.floor(firstDraw * open.length)
  const other = Math.floor(secondDraw * (open.length - 1))
  const second = other < first ? other : other + 1
  return loadWithOneMore(open[second]!, live) < loadWithOneMore(open[first]!, live) ? open[second]! : open[first]!
}

function loadWithOneMore(endpoint: EndpointConfiguration, live: LiveView): number {
  return (live.inFlight(endpoint.id) + 1) / endpoint.weight
}

function nextInTurn(
  backend: DeploymentBackend,
  open: readonly EndpointConfiguration[],
  rotations: Rotations,
): EndpointConfiguration {
  const rotation = rotations.of(backend.id)
  rotation.begin(backend.endpoints)
  let place = 0
  for (let i = 0; i < backend.endpoints.length && place < open.length; i++) {
    if (backend.endpoints[i] !== open[place]) continue
    rotation.open(i)
    place++
  }
  return backend.endpoints[rotation.next()]!
}

/** No endpoint gets more than this times the mean load, by weight (Mirrokni et al., "Consistent hashing with bounded loads"). */
const mostOfMeanLoad = 1.25

/** The first endpoint with room, in the order that the prefix gives them (weighted rendezvous hashing). */
function nearestWithRoom(
  open: readonly EndpointConfiguration[],
  live: LiveView,
  prefixHash: number,
): EndpointConfiguration {
  let requests = 1
  let weights = 0
  for (const endpoint of open) {
    requests += live.inFlight(endpoint.id)
    weights += endpoint.weight
  }
  const perWeight = (mostOfMeanLoad * requests) / weights
  let nearest = open[0]!
  let least = Infinity
  for (const endpoint of open) {
    if (live.inFlight(endpoint.id) + 1 > Math.ceil(perWeight * endpoint.weight)) continue
    const distance = -Math.log(unitHash(prefixHash, endpoint.id)) / endpoint.weight
    if (distance < least) {
      least = distance
      nearest = endpoint
    }
  }
  return nearest
}

/** A hash of prefix and id in (0, 1): FNV-1a over the id, then MurmurHash3's finisher. */
function unitHash(prefixHash: number, id: string): number {
  let hash = prefixHash ^ 0x811c9dc5
  for (let i = 0; i < id.length; i++) hash = Math.imul(hash ^ id.charCodeAt(i), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (((hash ^ (hash >>> 16)) >>> 0) + 0.5) / 2 ** 32
}
