/** A route's traffic over one window, as operators see it: the live split. */
import type { Percentiles } from '../usage/latency-sketch.ts'
import type { DivergenceReason } from '../config/vocabulary.ts'

export interface RouteTrafficReport {
  readonly routeId: string
  /** The newest revision that served a request of the window; the current one if none did, and 0 if there is none. */
  readonly revision: number
  readonly windowMs: number
  readonly atMs: number
  /** Requests that ended in the window, including those for which no target was available. */
  readonly requests: number
  readonly inFlight: number
  /** Of `requests`, 0 to 1. */
  readonly fallbackShare: number
  /**
   * The targets in the route's order, the fallback's backends in theirs, and then what is no longer part of the route but
   * had requests in the window or has them in flight.
   */
  readonly targets: readonly TargetTrafficReport[]
  /** The largest share first. */
  readonly divergence: readonly TrafficDivergence[]
  readonly gateways: number
}

export interface TargetTrafficReport {
  /** Null for a backend of the fallback. */
  readonly targetId: string | null
  readonly backendId: string
  readonly backendLabel: string
  /** 0 for a backend of the fallback, and for what is no longer part of the route. */
  readonly configuredShare: number
  /** Of the requests that went anywhere: if there were any, the shares of all targets sum to 1. */
  readonly observedShare: number
  /** Requests that ended here. */
  readonly requests: number
  /** Of the requests that ended here and the attempts that went on elsewhere, those that failed; 0 to 1. */
  readonly errorShare: number
  readonly inFlight: number
  readonly firstByteMs: Percentiles | null
  readonly durationMs: Percentiles | null
  readonly inputTokens: number
  readonly outputTokens: number
}

export interface TrafficDivergence {
  readonly reason: DivergenceReason
  /** Of the window's requests, 0 to 1. */
  readonly share: number
  /** The target that they should have gone to. */
  readonly targetId: string
}

/** The first second of a window that ends at `atMs`. It counts completely; otherwise the figures of short windows would flicker. */
export function firstSecondOf(atMs: number, windowMs: number): number {
  return Math.floor((atMs - windowMs) / 1000)
}
