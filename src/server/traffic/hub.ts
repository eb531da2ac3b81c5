import type { TrafficCounters } from '../../gateway/traffic/traffic-counters.ts'
import type { TrafficPort } from '../../graphql/kit/ports.ts'
import { mergeTraffic } from '../../routing/traffic/merge.ts'
import type { GatewayTraffic, RouteSecond } from '../../routing/traffic/report.ts'
import { firstSecondOf, type RouteTrafficReport } from '../../routing/traffic/window.ts'
import type { Db } from '../../storage/database/db.ts'
import { listTrafficRoutes } from '../../storage/traffic/read.ts'
import type { SnapshotStore } from '../following/snapshot-store.ts'
import { openTrafficExchange } from './exchange.ts'
import { TrafficWatch } from './watch.ts'

/** Live traffic over all gateways: from memory for this process, as last reported for the others. */
export interface TrafficHub extends TrafficPort, AsyncDisposable {
  /** The traffic of the window by route, of each gateway, of the routes that had any; at most 500 routes. Rejects if the database does. */
  recent(windowMs: number): Promise<ReadonlyMap<string, readonly GatewayTraffic[]>>
  /** Watches that somebody listens to. */
  readonly watches: number
}

const maxBusyRoutes = 500

/** Opens the hub. It needs no database to show what this process counts. */
export function openTrafficHub(options: {
  readonly gatewayId: string
  readonly db: Db
  readonly store: SnapshotStore
  readonly counters: TrafficCounters
  /** The live gateways other than this one. */
  readonly otherGatewayIds: () => readonly string[]
  /** Whether another process may want to know. */
  readonly hasPeers: () => boolean
  /** Milliseconds since the epoch; the clock of `counters`. */
  readonly now: () => number
  readonly log: { info(fields: object, message: string): void; warn(fields: object, message: string): void }
}): TrafficHub {
  const { gatewayId, db, store, counters, otherGatewayIds, now, log } = options
  const exchange = openTrafficExchange({ ...options, hasOthers: options.hasPeers })
  const watches = new Map<string, TrafficWatch>()

  const merge = (routeId: string, windowMs: number): RouteTrafficReport => {
    const { routesById, backends } = store.current()
    const atMs = now()
    const others = exchange.read(routeId)
    const own = counters.read(routeId, firstSecondOf(atMs, windowMs))
    return mergeTraffic({
      routeId,
      route: routesById.get(routeId),
      labelOf: (backendId) => backends.get(backendId)?.label,
      gateways: [own, ...others.values(), ...silentGateways(others)],
      windowMs,
      atMs,
    })
  }
  /** Live gateways without traffic on the route also count as gateways that contributed. */
  const silentGateways = (others: ReadonlyMap<string, GatewayTraffic>): GatewayTraffic[] =>
    exchange.isReachable
      ? otherGatewayIds().flatMap((id) => (others.has(id) ? [] : [{ seconds: [], inFlight: [] }]))
      : []
  const busyRoutes = async (windowMs: number) => {
    const own = counters.routesSince(firstSecondOf(now(), windowMs))
    if (otherGatewayIds().length === 0 || !exchange.isReachable) return own.slice(0, maxBusyRoutes)
    const elsewhere = await listTrafficRoutes(db, gatewayId, windowMs, maxBusyRoutes)
    return [...new Set([...own, ...elsewhere])].slice(0, maxBusyRoutes)
  }
  const revisionOf = (routeId: string) => store.current().routesById.get(routeId)?.revision

  let noticing: NodeJS.Immediate | undefined
  const notice = () => {
    noticing = undefined
    for (const watch of watches.values()) watch.noticeRevision(revisionOf(watch.routeId))
  }
  // Not within the publication itself: whoever waits for it would wait for all the watches as well.
  const unsubscribe = store.subscribe(() => (noticing ??= setImmediate(notice)))

  const watchOf = (key: string, routeId: string, intervalMs: number, windowMs: number): TrafficWatch => {
    const known = watches.get(key)
    if (known) return known
    const watch = new TrafficWatch({
      routeId,
      intervalMs,
      revision: revisionOf(routeId),
      refresh: () => exchange.refresh(routeId, windowMs),
      merge: () => merge(routeId, windowMs),
      log,
    })
    watches.set(key, watch)
    return watch
  }
  return {
    get watches() {
      return watches.size
    },
    async recent(windowMs) {
      const routeIds = await busyRoutes(windowMs)
      await Promise.all(routeIds.map((routeId) => exchange.refresh(routeId, windowMs)))
      const firstSecond = firstSecondOf(now(), windowMs)
      const isRecent = ({ second }: RouteSecond) => second >= firstSecond
      return new Map(
        routeIds.map((routeId) => {
          const others = [...exchange.read(routeId).values()].map((traffic) => ({
            ...traffic,
            seconds: traffic.seconds.filter(isRecent),
          }))
          return [routeId, [counters.read(routeId, firstSecond), ...others]]
        }),
      )
    },
    async read(routeId, windowMs) {
      await exchange.refresh(routeId, windowMs)
      return merge(routeId, windowMs)
    },
    watch(routeId, { intervalMs, windowMs }, listener) {
      const key = `${routeId} ${intervalMs} ${windowMs}`
      const watch = watchOf(key, routeId, intervalMs, windowMs)
      const leave = watch.join(listener)
      return () => {
        leave()
        if (!watch.isEmpty || watches.get(key) !== watch) return
        watches.delete(key)
        watch[Symbol.dispose]()
      }
    },
    async [Symbol.asyncDispose]() {
      unsubscribe()
      clearImmediate(noticing)
      for (const watch of watches.values()) watch[Symbol.dispose]()
      watches.clear()
      await exchange[Symbol.asyncDispose]()
    },
  }
}
