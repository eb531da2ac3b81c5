/** The counts of a route's traffic that one gateway sends to the control plane, as plain JSON. */
import type { DivergenceReason } from '../config/vocabulary.ts'

export interface GatewayTraffic {
  readonly seconds: readonly RouteSecond[]
  /** Places with a request in flight now. */
  readonly inFlight: readonly PlaceInFlight[]
}

/** One second of a route. */
export interface RouteSecond {
  /** Since the epoch. */
  readonly second: number
  /** The newest revision that served a request of this second; 0 if none ended. */
  readonly revision: number
  /** Requests that ended, including those for which no target was available. */
  readonly requests: number
  readonly places: readonly PlaceSecond[]
  readonly divergence: readonly DivergenceCount[]
}

/** Requests that did not go to this target although the weights say so. */
export interface DivergenceCount {
  readonly reason: DivergenceReason
  readonly targetId: string
  readonly requests: number
}

/** Where requests go: a target, or a backend of the fallback. */
export interface Place {
  /** Null for a backend of the fallback. */
  readonly targetId: string | null
  readonly backendId: string
  /** At that time. */
  readonly backendLabel: string
}

export interface PlaceSecond extends Place {
  /** Requests that ended here. */
  readonly requests: number
  /** Failed ones among `requests`. */
  readonly failures: number
  /** Attempts that failed here and whose requests moved on. */
  readonly left: number
  readonly inputTokens: number
  readonly outputTokens: number
  /** Times to the first byte, of the requests that got one. */
  readonly firstByte: SparseSketch
  readonly duration: SparseSketch
}

export interface PlaceInFlight extends Place {
  readonly inFlight: number
}

/** A latency sketch (latency-sketch.ts) as bin, count, bin, count, …, each bin once, in any order. */
export type SparseSketch = readonly number[]

/** The key of a place. Ids of targets and backends are never equal, and a target never changes its backend. */
export function placeKeyOf({ targetId, backendId }: Pick<Place, 'targetId' | 'backendId'>): string {
  return targetId ?? backendId
}

/** The longest window in seconds; older seconds need not be kept. */
export const maxTrafficWindowS = 300
