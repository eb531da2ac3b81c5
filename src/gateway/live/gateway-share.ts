/**
 * How many gateways share each `maxInFlight`. Together they must stay within it, also while they do not know of one another: each
 * that was cut off from the database sees nobody when it comes back first, and would take all that the others still use.
 *
 * So a higher count holds at once, and a lower one after it was told, and no higher one, for longer than it takes all the others
 * to be heard of again.
 */
import { monotonicMs } from '../loop/monotonic.ts'

/** Heartbeats come each second, so a gateway reports again within a second after the database is back. */
export const lowerCountHoldsAfterMs = 5_000

export class GatewayShare {
  readonly #liveGateways: () => number
  readonly #now: () => number
  #count = 0
  /** The largest count reported since `#lowerSinceMs`. */
  #lower = 0
  #lowerSinceMs = 0

  /** `liveGateways`: what the registry knows now, this gateway included. `now`: milliseconds that no clock can put back. */
  constructor(liveGateways: () => number, now: () => number = monotonicMs) {
    this.#liveGateways = liveGateways
    this.#now = now
  }

  /** At least 1. */
  get count(): number {
    const liveGateways = Math.max(1, this.#liveGateways())
    if (liveGateways >= this.#count) {
      this.#count = liveGateways
      this.#lower = 0
      return liveGateways
    }
    return this.#lowered(liveGateways)
  }

  /** Rounded down, so that the gateways together stay within the bound; where it is smaller than their number, 1. */
  of(maxInFlight: number): number {
    return Math.max(1, Math.floor(maxInFlight / this.count))
  }

  #lowered(liveGateways: number): number {
    const nowMs = this.#now()
    if (this.#lower === 0) this.#lowerSinceMs = nowMs
    if (liveGateways > this.#lower) {
      this.#lower = liveGateways
      return this.#count
    }
    if (nowMs - this.#lowerSinceMs < lowerCountHoldsAfterMs) return this.#count
    this.#count = this.#lower
    this.#lower = 0
    return this.#count
  }
}
