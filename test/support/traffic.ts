/** Places and ends of requests, as the gateway tells its traffic observer. */
import type { TrafficEnd, TrafficPlace } from '../../src/gateway/ports.ts'
import type { TrafficCounters } from '../../src/gateway/traffic/traffic-counters.ts'

/** The target `tgt-x` of the route, which leads to the backend `x`. */
export function placeOf(backendId: string, rest: Partial<TrafficPlace> = {}): TrafficPlace {
  return { routeId: 'route', revision: 1, targetId: `tgt-${backendId}`, backendId, backendLabel: backendId, ...rest }
}

/** A backend of the route's fallback. */
export function fallbackPlace(backendId: string, rest: Partial<TrafficPlace> = {}): TrafficPlace {
  return placeOf(backendId, { targetId: null, ...rest })
}

/** Where a request is that was tried nowhere. */
export const nowhere: TrafficPlace = {
  routeId: 'route',
  revision: 1,
  targetId: null,
  backendId: null,
  backendLabel: null,
}

export function endOf(rest: Partial<TrafficEnd> = {}): TrafficEnd {
  return { divergence: null, outcome: 'OK', firstByteMs: 20, durationMs: 100, tokens: null, ...rest }
}

/** Requests that go to the place and end there. */
export function serve(counters: TrafficCounters, place: TrafficPlace, requests = 1, end = endOf()): void {
  for (let i = 0; i < requests; i++) {
    counters.began(place)
    counters.ended(place, end)
  }
}
