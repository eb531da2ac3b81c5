/** One second of a route's traffic in one gateway: what the planes exchange about live traffic. */
import type { DivergenceReason } from './vocabulary.ts'

/** Plain JSON. */
export interface RouteSecond {
  /** The newest revision that a request of this second was served by. */
  readonly revision: number
  /** Requests that ended. */
  readonly requests: number
  /** Of these, served by the fallback. */
  readonly fallbacks: number
  readonly places: readonly PlaceSecond[]
  readonly divergence: readonly DivergenceCount[]
}

/** Requests that did not go to a target although the weights say so. */
export interface DivergenceCount {
  readonly reason: DivergenceReason
  readonly targetId: string
  readonly requests: number
}

/** A target, or a fallback's backend. */
export interface PlaceSecond {
  /** Null for a fallback's backend. */
  readonly targetId: string | null
  readonly backendId: string
  readonly backendLabel: string
  /** Requests that ended here. */
  readonly requests: number
  /** Of these, failed; and the attempts that failed here and went on elsewhere. */
  readonly failures: number
  /** Attempts that failed here and went on elsewhere. */
  readonly left: number
  /** At the end of the second. */
  readonly inFlight: number
  readonly inputTokens: number
  readonly outputTokens: number
  readonly firstByte: SparseSketch
  readonly duration: SparseSketch
}

/** A latency sketch (latency-sketch.ts) as bin, count, bin, count, … */
export type SparseSketch = readonly number[]
