import { latencyBinCount, percentilesOf } from '../usage/latency-sketch.ts'
import type { Place, PlaceInFlight, PlaceSecond, SparseSketch } from './report.ts'
import type { TargetTrafficReport } from './window.ts'

/** What all gateways counted at one place. The order in which it is added makes no difference. */
export class PlaceSum {
  readonly place: Place
  requests = 0
  inFlight = 0
  readonly #configuredShare: number
  #failures = 0
  #left = 0
  #inputTokens = 0
  #outputTokens = 0
  readonly #firstByte = new Float64Array(latencyBinCount)
  readonly #duration = new Float64Array(latencyBinCount)

  constructor(place: Place, configuredShare: number) {
    this.place = place
    this.#configuredShare = configuredShare
  }

  add(counted: PlaceSecond): void {
    this.requests += counted.requests
    this.#failures += counted.failures
    this.#left += counted.left
    this.#inputTokens += counted.inputTokens
    this.#outputTokens += counted.outputTokens
    addSketch(this.#firstByte, counted.firstByte)
    addSketch(this.#duration, counted.duration)
  }

  addInFlight({ inFlight }: PlaceInFlight): void {
    this.inFlight += inFlight
  }

  /** `placed` is the number of requests that ended at any place. */
  toReport(placed: number): TargetTrafficReport {
    const { targetId, backendId, backendLabel } = this.place
    return {
      targetId,
      backendId,
      backendLabel,
      configuredShare: this.#configuredShare,
      observedShare: shareOf(this.requests, placed),
      requests: this.requests,
      errorShare: shareOf(this.#failures + this.#left, this.requests + this.#left),
      inFlight: this.inFlight,
      firstByteMs: percentilesOf(this.#firstByte),
      durationMs: percentilesOf(this.#duration),
      inputTokens: this.#inputTokens,
      outputTokens: this.#outputTokens,
    }
  }
}

/** The share; 0 if `whole` is 0. */
export function shareOf(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole
}

function addSketch(counts: Float64Array, sketch: SparseSketch): void {
  for (let i = 0; i + 1 < sketch.length; i += 2) counts[sketch[i]!]! += sketch[i + 1]!
}
