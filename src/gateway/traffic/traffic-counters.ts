import {
  type GatewayTraffic,
  maxTrafficWindowS,
  type PlaceInFlight,
  type RouteSecond,
} from '../../routing/traffic/report.ts'
import type { TrafficEnd, TrafficObserver, TrafficPlace } from '../ports.ts'
import { Queue } from './queue.ts'
import { RouteCounter } from './route-counter.ts'
import { SecondCounter } from './second-counter.ts'

/** This gateway's live counters: told of each request, asked for what the last minutes brought. */
export interface TrafficCounters extends TrafficObserver {
  /** A route's seconds from `firstSecond` on, which go on counting, and what is in flight. */
  read(routeId: string, firstSecond: number): GatewayTraffic
  /**
   * The routes that have changed since an earlier call returned `mark` (0: since ever), and with `withInFlight` all that
   * have requests in flight.
   */
  changesSince(mark: number, withInFlight: boolean): TrafficChanges
  /** The routes in which something ended in this second or later. */
  routesSince(second: number): string[]
  /** Seconds of routes and places in them that are held now. */
  readonly entries: number
}

export interface TrafficChanges {
  /** Of the next call. */
  readonly mark: number
  readonly routes: readonly RouteChange[]
}

export interface RouteChange {
  readonly routeId: string
  /** Those that have changed; if none has, the current one. */
  readonly seconds: readonly RouteSecond[]
  readonly inFlight: readonly PlaceInFlight[]
}

/** One more than the longest window, which rarely begins with a whole second. */
const keptS = maxTrafficWindowS + 1
/** Clocks are corrected by so much all the time: what was counted a moment ago is still of now. */
const smallStepS = 5
const defaultMaxEntries = 200_000

/**
 * Counters in bounded memory: a second of a route exists only if something ended in it, goes when it is 5 minutes old, and
 * goes sooner, the oldest first, while there are more than `maxEntries` of them and of places in them.
 *
 * `now` returns milliseconds since the epoch. If the clock is put back by more than a few of them, the seconds that are yet to
 * come are dropped: they were shown already, and would be shown once more when it is that late again.
 */
export function createTrafficCounters(options: {
  readonly now: () => number
  readonly maxEntries?: number
}): TrafficCounters {
  return new BoundedTrafficCounters(options.now, options.maxEntries ?? defaultMaxEntries)
}

class BoundedTrafficCounters implements TrafficCounters {
  readonly #now: () => number
  readonly #maxEntries: number
  readonly #routes = new Map<string, RouteCounter>()
  /** Of each second its route, in the order in which they were begun: the first one's first second is the oldest of all. */
  readonly #begun = new Queue<RouteCounter>()
  #entries = 0
  #changes = 0
  #latestSecond = 0

  constructor(now: () => number, maxEntries: number) {
    this.#now = now
    this.#maxEntries = maxEntries
  }

  get entries(): number {
    return this.#entries
  }

  began(place: TrafficPlace): void {
    const route = this.#routeOf(place.routeId)
    route.enter(place)
    route.changedBy = ++this.#changes
  }

  left(place: TrafficPlace): void {
    const route = this.#routeOf(place.routeId)
    const second = this.#secondOf(route)
    route.leave(place)
    this.#changed(route, second, second.left(place))
  }

  ended(place: TrafficPlace, end: TrafficEnd): void {
    const route = this.#routeOf(place.routeId)
    const second = this.#secondOf(route)
    if (place.backendId !== null) route.leave(place)
    this.#changed(route, second, second.ended(place, end))
  }

  read(routeId: string, firstSecond: number): GatewayTraffic {
    this.#currentSecond()
    const route = this.#routes.get(routeId)
    if (!route) return { seconds: [], inFlight: [] }
    return { seconds: route.seconds.filter(({ second }) => second >= firstSecond), inFlight: route.placesInFlight() }
  }

  changesSince(mark: number, withInFlight: boolean): TrafficChanges {
    const nowSecond = this.#currentSecond()
    this.#forgetOld(nowSecond)
    const routes: RouteChange[] = []
    for (const route of this.#routes.values()) {
      if (route.changedBy <= mark && !(withInFlight && route.inFlight > 0)) continue
      const changed = route.seconds.filter(({ changedBy }) => changedBy > mark)
      const seconds = changed.length > 0 ? changed : [route.find(nowSecond) ?? new SecondCounter(nowSecond)]
      routes.push({ routeId: route.id, seconds, inFlight: route.placesInFlight() })
    }
    return { mark: this.#changes, routes }
  }

  routesSince(second: number): string[] {
    const routes = this.#routes.values().filter(({ seconds }) => (seconds.at(-1)?.second ?? -Infinity) >= second)
    return Array.from(routes, ({ id }) => id)
  }

  #currentSecond(): number {
    const second = Math.floor(this.#now() / 1000)
    if (second < this.#latestSecond) this.#dropAfter(second + smallStepS)
    this.#latestSecond = second
    return second
  }

  /** Each route's `#begun` entries go with their seconds. */
  #dropAfter(lastSecond: number): void {
    const dropped = new Map<RouteCounter, Set<number>>()
    for (const route of this.#routes.values()) {
      const later = route.dropAfter(lastSecond)
      if (later.length === 0) continue
      this.#entries -= later.reduce((sum, { places }) => sum + 1 + places.length, 0)
      dropped.set(route, new Set(later.map(({ place }) => place)))
    }
    const seen = new Map<RouteCounter, number>()
    this.#begun.filter((route) => {
      const place = seen.get(route) ?? 0
      seen.set(route, place + 1)
      return !dropped.get(route)?.has(place)
    })
  }

  #routeOf(id: string): RouteCounter {
    let route = this.#routes.get(id)
    if (!route) {
      route = new RouteCounter(id)
      this.#routes.set(id, route)
    }
    return route
  }

  #secondOf(route: RouteCounter): SecondCounter {
    const second = this.#currentSecond()
    const latest = route.seconds.at(-1)
    return latest?.second === second ? latest : (route.find(second) ?? this.#begin(route, second))
  }

  #begin(route: RouteCounter, second: number): SecondCounter {
    const counter = new SecondCounter(second)
    route.seconds.push(counter)
    this.#begun.push(route)
    this.#entries++
    this.#forgetOld(second)
    return counter
  }

  #changed(route: RouteCounter, second: SecondCounter, hasNewPlace: boolean): void {
    second.changedBy = ++this.#changes
    route.changedBy = this.#changes
    if (!hasNewPlace) return
    this.#entries++
    this.#forgetOld(second.second)
  }

  /** Never the newest one: it may be about to be counted in. */
  #forgetOld(nowSecond: number): void {
    while (this.#begun.size > 1) {
      const route = this.#begun.first!
      const oldest = route.seconds[0]!
      if (Math.abs(nowSecond - oldest.second) <= keptS && this.#entries <= this.#maxEntries) return
      this.#begun.shift()
      route.seconds.shift()
      this.#entries -= 1 + oldest.places.length
      if (route.seconds.length === 0 && route.inFlight === 0) this.#routes.delete(route.id)
    }
  }
}
