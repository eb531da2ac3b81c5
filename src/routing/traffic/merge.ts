/** Merges the counts of all gateways into the live split of a route. */
import type { Route } from '../config/snapshot.ts'
import { PlaceSum, shareOf } from './place-sum.ts'
import { type DivergenceCount, type GatewayTraffic, type Place, placeKeyOf, type RouteSecond } from './report.ts'
import { firstSecondOf, type RouteTrafficReport, type TrafficDivergence } from './window.ts'

export interface TrafficQuestion {
  readonly routeId: string
  /** The current route; undefined if it was deleted. */
  readonly route: Route | undefined
  readonly labelOf: (backendId: string) => string | undefined
  /** The counts of each gateway that answered, also empty ones. */
  readonly gateways: readonly GatewayTraffic[]
  readonly windowMs: number
  /** End of the window, in milliseconds since the epoch. */
  readonly atMs: number
}

/** The traffic of the window over all gateways; the order of gateways and seconds makes no difference. */
export function mergeTraffic(question: TrafficQuestion): RouteTrafficReport {
  const { routeId, route, gateways, windowMs, atMs } = question
  const seconds = secondsInWindow(question)
  const sums = sumPlaces(question, seconds)
  const requests = sumOf(seconds, (second) => second.requests)
  const placed = sumOf(sums, (sum) => sum.requests)
  const byFallback = sumOf(sums, (sum) => (sum.place.targetId === null ? sum.requests : 0))
  const newest = seconds.reduce((revision, second) => Math.max(revision, second.revision), 0)
  return {
    routeId,
    revision: newest || (route?.revision ?? 0),
    windowMs,
    atMs,
    requests,
    inFlight: sumOf(sums, (sum) => sum.inFlight),
    fallbackShare: shareOf(byFallback, requests),
    targets: sums.map((sum) => sum.toReport(placed)),
    divergence: mergeDivergence(seconds, requests),
    gateways: gateways.length,
  }
}

function secondsInWindow({ gateways, windowMs, atMs }: TrafficQuestion): RouteSecond[] {
  const first = firstSecondOf(atMs, windowMs)
  const last = Math.floor(atMs / 1000)
  return gateways.flatMap(({ seconds }) => seconds.filter(({ second }) => second >= first && second <= last))
}

/** In the order in which they are shown. */
function sumPlaces(question: TrafficQuestion, seconds: readonly RouteSecond[]): PlaceSum[] {
  const sums = new Map(currentPlaces(question).map((sum) => [placeKeyOf(sum.place), sum]))
  for (const place of formerPlaces(question, seconds, sums)) sums.set(placeKeyOf(place), new PlaceSum(place, 0))
  for (const { places } of seconds) for (const place of places) sums.get(placeKeyOf(place))!.add(place)
  for (const { inFlight } of question.gateways)
    for (const place of inFlight) sums.get(placeKeyOf(place))!.addInFlight(place)
  return [...sums.values()]
}

function currentPlaces({ route, labelOf }: TrafficQuestion): PlaceSum[] {
  if (!route) return []
  const sumAt = (targetId: string | null, backendId: string, configuredShare: number) =>
    new PlaceSum({ targetId, backendId, backendLabel: labelOf(backendId) ?? backendId }, configuredShare)
  return [
    ...route.targets.map((target) => sumAt(target.id, target.backendId, target.share)),
    ...(route.fallback?.backendIds.map((backendId) => sumAt(null, backendId, 0)) ?? []),
  ]
}

/** Places that are not among `current`, each once with its last label, in order of creation. */
function formerPlaces(
  { gateways, atMs }: TrafficQuestion,
  seconds: readonly RouteSecond[],
  current: ReadonlyMap<string, unknown>,
): Place[] {
  const found = new Map<string, { place: Place; second: number }>()
  const note = (place: Place, second: number): void => {
    const key = placeKeyOf(place)
    if (current.has(key)) return
    const known = found.get(key)
    if (!known || second > known.second || (second === known.second && place.backendLabel > known.place.backendLabel))
      found.set(key, { place, second })
  }
  for (const { second, places } of seconds) for (const place of places) note(place, second)
  for (const { inFlight } of gateways) for (const place of inFlight) note(place, Math.floor(atMs / 1000))
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, { place }]) => place)
}

function mergeDivergence(seconds: readonly RouteSecond[], requests: number): TrafficDivergence[] {
  const counts = new Map<string, { -readonly [K in keyof DivergenceCount]: DivergenceCount[K] }>()
  for (const { divergence } of seconds) {
    for (const { reason, targetId, requests } of divergence) {
      const key = `${reason} ${targetId}`
      const count = counts.get(key)
      if (count) count.requests += requests
      else counts.set(key, { reason, targetId, requests })
    }
  }
  return [...counts]
    .sort(([a, { requests: ofA }], [b, { requests: ofB }]) => ofB - ofA || (a < b ? -1 : 1))
    .map(([, count]) => ({ reason: count.reason, share: shareOf(count.requests, requests), targetId: count.targetId }))
}

function sumOf<T>(items: readonly T[], valueOf: (item: T) => number): number {
  return items.reduce((sum, item) => sum + valueOf(item), 0)
}
