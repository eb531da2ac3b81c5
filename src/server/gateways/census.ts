import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'

/** Live gateways report within one heartbeat after the database is back; this time is several heartbeats. */
const settledAfterMs = 5_000
const mostRemembered = 10_000

/** The other gateways, as last read from the database. */
export interface GatewayCensus {
  readonly live: number
  /** Lost gateways, which may be cut off from the database and still serve. */
  readonly lost: number
}

/**
 * How many gateways share what is bounded over all of them. One that starts, or comes back when the database does, sees nobody at
 * first: until it has been told for a few heartbeats it counts those that are lost, and without a database what was told before the
 * process started, so that it takes no more than its last share.
 */
export class GatewayCount {
  readonly #file: string | null
  readonly #now: () => number
  readonly #onError: (error: unknown) => void
  #count: number
  #firstToldAtMs: number | null = null

  /** `file`: where the count outlives the process; null: it does not. `now`: milliseconds that no clock can put back. */
  constructor(file: string | null, now: () => number, onError: (error: unknown) => void) {
    this.#file = file
    this.#now = now
    this.#onError = onError
    this.#count = readCount(file)
  }

  /** This gateway included; at least 1. */
  get current(): number {
    return this.#count
  }

  tell({ live, lost }: GatewayCensus): void {
    this.#firstToldAtMs ??= this.#now()
    const isSettled = this.#now() - this.#firstToldAtMs >= settledAfterMs
    const count = 1 + live + (isSettled ? 0 : lost)
    if (count === this.#count) return
    this.#count = count
    if (this.#file !== null) writeFile(this.#file, `${count}\n`, { mode: 0o600 }).catch(this.#onError)
  }
}

/** 1 if the number cannot be read. */
function readCount(file: string | null): number {
  if (file === null) return 1
  try {
    const count = Number(readFileSync(file, 'utf8'))
    return Number.isInteger(count) && count >= 1 && count <= mostRemembered ? count : 1
  } catch {
    return 1
  }
}
