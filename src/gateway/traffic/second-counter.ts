import { latencyBin } from '../../routing/usage/latency-sketch.ts'
import type { DivergenceCount, Place, PlaceSecond, RouteSecond } from '../../routing/traffic/report.ts'
import { isFailure } from '../../routing/usage/record.ts'
import type { TrafficEnd, TrafficPlace } from '../ports.ts'

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** Most seconds see one place, few requests and no divergence: pushing to an own empty array would reserve 17 elements. */
const none: readonly never[] = []

/**
 * The counts of one second of a route. Its sketches grow with the bins in use and not with the requests: at most 256 bins,
 * about 30 in practice, so a walk finds a bin sooner than a map would.
 */
export class SecondCounter implements RouteSecond {
  readonly second: number
  revision = 0
  requests = 0
  places: readonly PlaceCounter[] = none
  divergence: readonly Mutable<DivergenceCount>[] = none
  /** Grows with each change, over all seconds of a gateway. */
  changedBy = 0

  constructor(second: number) {
    this.second = second
  }

  /** Returns whether it counts at a place that it had not counted at before. */
  left(place: TrafficPlace): boolean {
    const before = this.places.length
    this.#placeOf(place).left++
    return this.places.length > before
  }

  /** Returns as `left` does. */
  ended(place: TrafficPlace, end: TrafficEnd): boolean {
    const before = this.places.length
    this.requests++
    if (place.revision > this.revision) this.revision = place.revision
    if (place.backendId !== null) this.#placeOf(place).ended(end)
    if (end.divergence) this.#diverged(end.divergence)
    return this.places.length > before
  }

  /** The keys of its JSON are those of `RouteSecond`. */
  toJSON(): RouteSecond {
    const { second, revision, requests, places, divergence } = this
    return { second, revision, requests, places, divergence }
  }

  #placeOf(place: TrafficPlace): PlaceCounter {
    for (let i = 0; i < this.places.length; i++) if (isSamePlace(this.places[i]!, place)) return this.places[i]!
    const counter = new PlaceCounter(place)
    this.places = [...this.places, counter]
    return counter
  }

  #diverged({ reason, targetId }: NonNullable<TrafficEnd['divergence']>): void {
    for (const count of this.divergence) {
      if (count.targetId === targetId && count.reason === reason) return void count.requests++
    }
    this.divergence = [...this.divergence, { reason, targetId, requests: 1 }]
  }
}

class PlaceCounter implements PlaceSecond {
  readonly targetId: string | null
  readonly backendId: string
  readonly backendLabel: string
  requests = 0
  failures = 0
  left = 0
  inputTokens = 0
  outputTokens = 0
  firstByte: readonly number[] = none
  duration: readonly number[] = none

  constructor(place: TrafficPlace) {
    this.targetId = place.targetId
    this.backendId = place.backendId!
    this.backendLabel = place.backendLabel!
  }

  ended({ outcome, tokens, firstByteMs, durationMs }: TrafficEnd): void {
    this.requests++
    if (isFailure(outcome)) this.failures++
    if (tokens) {
      this.inputTokens += tokens.inputTokens
      this.outputTokens += tokens.outputTokens
    }
    if (firstByteMs !== null) this.firstByte = withMs(this.firstByte, firstByteMs)
    this.duration = withMs(this.duration, durationMs)
  }
}

function withMs(sketch: readonly number[], ms: number): number[] {
  const bin = latencyBin(ms)
  if (sketch === none) return [bin, 1]
  const counts = sketch as number[]
  for (let i = 0; i < counts.length; i += 2) {
    if (counts[i] !== bin) continue
    counts[i + 1]!++
    return counts
  }
  counts.push(bin, 1)
  return counts
}

/** Ids of targets and backends are never equal; a target has one backend for life. */
export function isSamePlace(a: Place, b: TrafficPlace): boolean {
  return a.targetId === b.targetId && (a.targetId !== null || a.backendId === b.backendId)
}
