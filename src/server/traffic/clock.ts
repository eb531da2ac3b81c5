/** The difference between this machine's clock and the database's, which all gateways share. */
export interface TrafficClock {
  /** Whole seconds that the database is ahead by; 0 while the two agree. */
  readonly offsetS: number
  /** Whether the database has answered. */
  readonly isKnown: boolean
  /** Sets the clock: the database's time was `serverMs` between these two local instants. */
  observe(serverMs: number, sentMs: number, receivedMs: number): void
}

/** Less is the network's delay, or an error of the clocks that no window shows. */
const toleranceMs = 2_000

/** A clock that counts as correct until the database has answered. */
export function createTrafficClock(): TrafficClock {
  let offsetS = 0
  let isKnown = false
  return {
    get offsetS() {
      return offsetS
    },
    get isKnown() {
      return isKnown
    },
    observe(serverMs, sentMs, receivedMs) {
      isKnown = true
      const aheadMs = serverMs - (sentMs + receivedMs) / 2
      const doubtMs = toleranceMs + Math.abs(receivedMs - sentMs) / 2
      // Changed only for a reason: the seconds that are already written keep their numbers.
      if (Math.abs(aheadMs - offsetS * 1000) > doubtMs) offsetS = Math.round(aheadMs / 1000)
    },
  }
}
