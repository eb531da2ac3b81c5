import type { GatewayTraffic, PlaceInFlight, RouteSecond } from '../../routing/traffic/report.ts'
import type { TrafficReading, TrafficQuery, WrittenTraffic } from '../../storage/traffic/read.ts'

/** The traffic of watched routes that the other gateways have written. Times are those of `performance.now()`. */
export interface TrafficCache {
  /** Whether all that was written until `sinceMs` at least is known for the window. */
  has(routeId: string, windowMs: number, sinceMs: number): boolean
  /** What must be read for the window to be known. */
  queryFor(routeId: string, windowMs: number, nowMs: number): TrafficQuery
  /** The answer to these wishes, which were asked at `askedAtMs`. */
  put(wishes: readonly TrafficQuery[], reading: TrafficReading, askedAtMs: number): void
  /** By gateway, of those with anything; `offsetS` is what the database's clock is ahead of ours by. */
  read(routeId: string, offsetS: number, nowMs: number): ReadonlyMap<string, GatewayTraffic>
}

interface CachedRoute {
  /** Written within so long before the first reading. */
  readonly coversMs: number
  readonly gateways: Map<string, CachedGateway>
  readAtMs: number
}

interface CachedGateway {
  /** By the server's second. */
  readonly seconds: Map<number, RouteSecond>
  inFlight: readonly PlaceInFlight[]
  /** By the server's clock. */
  writtenAtMs: number
  /** By ours. */
  heardAtMs: number
}

/** Rows become visible a little after they say that they were written. */
const overlapMs = 2_000
/** A gateway with requests in flight writes each second; one that stopped writing is dead. */
const inFlightValidMs = 5_000
/** Over all routes; a second is about 1 KB. */
const maxSeconds = 100_000

export function createTrafficCache(): TrafficCache {
  /** Least recently read first. */
  const routes = new Map<string, CachedRoute>()
  return {
    has(routeId, windowMs, sinceMs) {
      const route = routes.get(routeId)
      return route !== undefined && route.coversMs >= windowMs && route.readAtMs >= sinceMs
    },
    queryFor(routeId, windowMs, nowMs) {
      const route = routes.get(routeId)
      if (!route || route.coversMs < windowMs) return { routeId, withinMs: windowMs + overlapMs }
      return { routeId, withinMs: Math.min(route.coversMs, nowMs - route.readAtMs) + overlapMs }
    },
    put(wishes, reading, askedAtMs) {
      for (const { routeId, withinMs } of wishes) {
        const known = routes.get(routeId)
        const coversMs = Math.max(known?.coversMs ?? 0, withinMs - overlapMs)
        routes.delete(routeId)
        routes.set(routeId, { coversMs, gateways: known?.gateways ?? new Map(), readAtMs: askedAtMs })
      }
      for (const row of reading.rows) putRow(routes.get(row.routeId)!.gateways, row, reading.nowMs, askedAtMs)
      for (const { routeId } of wishes) forgetOld(routes.get(routeId)!, reading.nowMs)
      dropUnread(routes, askedAtMs)
    },
    read(routeId, offsetS, nowMs) {
      const gateways = routes.get(routeId)?.gateways ?? []
      return new Map(Array.from(gateways, ([id, gateway]) => [id, trafficOf(gateway, offsetS, nowMs)]))
    },
  }
}

function putRow(
  gateways: Map<string, CachedGateway>,
  row: WrittenTraffic,
  serverNowMs: number,
  askedAtMs: number,
): void {
  let gateway = gateways.get(row.gatewayId)
  if (!gateway) {
    gateway = { seconds: new Map(), inFlight: [], writtenAtMs: -Infinity, heardAtMs: 0 }
    gateways.set(row.gatewayId, gateway)
  }
  gateway.seconds.set(row.second, row.report)
  if (row.writtenAtMs < gateway.writtenAtMs) return
  gateway.inFlight = row.inFlight
  gateway.writtenAtMs = row.writtenAtMs
  gateway.heardAtMs = askedAtMs - Math.max(0, serverNowMs - row.writtenAtMs)
}

function forgetOld({ coversMs, gateways }: CachedRoute, serverNowMs: number): void {
  const oldest = Math.floor((serverNowMs - coversMs - overlapMs) / 1000)
  for (const [id, { seconds }] of gateways) {
    for (const second of seconds.keys()) if (second < oldest) seconds.delete(second)
    if (seconds.size === 0) gateways.delete(id)
  }
}

/** What was not read for so long that nothing of it would be of use, and more of it if it is too much. */
function dropUnread(routes: Map<string, CachedRoute>, askedAtMs: number): void {
  let seconds = 0
  for (const route of routes.values()) seconds += countSeconds(route)
  for (const [routeId, route] of routes) {
    const isNeeded = seconds <= maxSeconds && askedAtMs - route.readAtMs < route.coversMs
    if (isNeeded || route.readAtMs === askedAtMs) return
    seconds -= countSeconds(route)
    routes.delete(routeId)
  }
}

function countSeconds({ gateways }: CachedRoute): number {
  let count = 0
  for (const { seconds } of gateways.values()) count += seconds.size
  return count
}

function trafficOf(gateway: CachedGateway, offsetS: number, nowMs: number): GatewayTraffic {
  return {
    seconds: Array.from(gateway.seconds, ([second, report]) => ({ ...report, second: second - offsetS })),
    inFlight: nowMs - gateway.heardAtMs <= inFlightValidMs ? gateway.inFlight : [],
  }
}
