import type { PlaceInFlight } from '../../routing/traffic/report.ts'
import type { TrafficPlace } from '../ports.ts'
import { isSamePlace, type SecondCounter } from './second-counter.ts'

type PlaceInFlightCounter = { -readonly [K in keyof PlaceInFlight]: PlaceInFlight[K] }

/** More than a route's targets and fallback together: above it, places without requests are forgotten. */
const maxIdlePlaces = 80

/** The counts of one route: its seconds, and what is in flight. */
export class RouteCounter {
  readonly id: string
  /** In the order in which they were begun, which is the order of time unless the clock was set. */
  readonly seconds: SecondCounter[] = []
  changedBy = 0
  inFlight = 0
  #places: PlaceInFlightCounter[] = []

  constructor(id: string) {
    this.id = id
  }

  /** Drops the seconds behind this one, and returns how many places each counted at and where it stood. */
  dropAfter(second: number): readonly { readonly place: number; readonly places: readonly unknown[] }[] {
    const dropped = this.seconds
      .map((counter, place) => ({ counter, place }))
      .filter(({ counter }) => counter.second > second)
    if (dropped.length === 0) return []
    this.seconds.splice(0, this.seconds.length, ...this.seconds.filter((counter) => counter.second <= second))
    return dropped.map(({ counter, place }) => ({ place, places: counter.places }))
  }

  /** The counter of the second, if there is one. */
  find(second: number): SecondCounter | undefined {
    for (let i = this.seconds.length - 1; i >= 0; i--) if (this.seconds[i]!.second === second) return this.seconds[i]
    return undefined
  }

  enter(place: TrafficPlace): void {
    this.#placeOf(place).inFlight++
    this.inFlight++
  }

  leave(place: TrafficPlace): void {
    const counter = this.#placeOf(place)
    if (counter.inFlight === 0) return
    counter.inFlight--
    this.inFlight--
  }

  placesInFlight(): PlaceInFlight[] {
    return this.#places.filter((place) => place.inFlight > 0)
  }

  #placeOf(place: TrafficPlace): PlaceInFlightCounter {
    for (let i = 0; i < this.#places.length; i++) if (isSamePlace(this.#places[i]!, place)) return this.#places[i]!
    if (this.#places.length >= maxIdlePlaces) this.#places = this.#places.filter(({ inFlight }) => inFlight > 0)
    const { targetId, backendId, backendLabel } = place
    const counter = { targetId, backendId: backendId!, backendLabel: backendLabel!, inFlight: 0 }
    this.#places.push(counter)
    return counter
  }
}
