/**
 * What one gateway holds of a quantity that is returned after use: requests at the same time, or money reserved for requests in flight.
 * All gateways together never hold more than exists. The part of a gateway that dies is free again when its lease ends.
 */

/** The report to the database about a share, and the request for more. */
export interface ShareRequest {
  /** What is in use, and kept for the next requests. */
  readonly held: number
  /** The part of it that is in use. */
  readonly inUse: number
  readonly need: number
  readonly spare: number
}

export interface ShareAnswer {
  readonly granted: number
  /** What no gateway holds. */
  readonly free: number
}

/** A full quantity is asked for again after this time, because other gateways may have returned parts of it. */
const askAgainAfterMs = 100
/** A part that was not needed for this time is returned. */
const idleAfterMs = 1_000

export class LeasedShare {
  #held = 0
  #inUse: number
  #heldUntilMs = 0
  #renewAtMs = 0
  #lastTakenMs = 0
  #taken = 0
  #isReported = true
  /** Null until the database has answered. */
  #free: number | null = null
  #freeAtMs = 0
  /** What this gateway may use while the database is unreachable; null while it is reachable. */
  #alone: number | null = null

  /** `inUse`: the part used by requests in flight that were admitted before this share existed. */
  constructor(inUse = 0) {
    this.#inUse = inUse
    this.#isReported = inUse === 0
  }

  get inUse(): number {
    return this.#inUse
  }

  has(amount: number, nowMs: number): boolean {
    return this.#inUse + amount <= this.#usable(nowMs)
  }

  take(amount: number, nowMs: number): void {
    this.#inUse += amount
    this.#taken += amount
    this.#lastTakenMs = nowMs
    this.#isReported = false
  }

  release(amount: number): void {
    this.#inUse -= amount
    this.#isReported = false
  }

  /** Removes a used amount permanently: it is counted elsewhere from now on. */
  spend(amount: number): void {
    this.#inUse -= amount
    this.#held -= amount
    this.#isReported = false
  }

  /** Whether the database may have what is missing, so that it must be asked. */
  mayHave(amount: number, nowMs: number): boolean {
    if (this.#alone !== null) return false
    if (this.#free === null || nowMs - this.#freeAtMs >= askAgainAfterMs) return true
    return this.left(nowMs) >= amount
  }

  /** What can still be taken, as far as this gateway knows. */
  left(nowMs: number): number {
    const own = this.#usable(nowMs) - this.#inUse
    return Math.max(0, own + (this.#alone === null ? (this.#free ?? 0) : 0))
  }

  wantsRound(nowMs: number): boolean {
    if (!this.#isReported) return true
    return this.#held > 0 && (nowMs >= this.#renewAtMs || (this.#held > this.#inUse && this.#isIdle(nowMs)))
  }

  isForgettable(nowMs: number): boolean {
    return this.#isReported && this.#inUse === 0 && this.#held <= 0 && this.#isIdle(nowMs)
  }

  /** `need`: what requests wait for; `mostSpare`: what may be kept for the next ones. */
  ask(need: number, mostSpare: number, nowMs: number): ShareRequest {
    const wanted = this.#isIdle(nowMs) ? 0 : Math.min(this.#taken, mostSpare)
    // After the end of the lease another gateway may hold this part.
    const leased = nowMs < this.#heldUntilMs ? this.#held : 0
    const held = Math.max(this.#inUse, Math.min(leased, this.#inUse + wanted))
    // The returned part is free now, so the last reported value is too low.
    if (held < this.#held) this.#free = null
    this.#held = held
    this.#taken = 0
    this.#isReported = true
    const kept = held - this.#inUse
    return { held, inUse: this.#inUse, need: Math.max(0, need - kept), spare: Math.max(0, wanted - kept) }
  }

  answer({ granted, free }: ShareAnswer, askedAtMs: number, leaseMs: number): void {
    this.#alone = null
    this.#held += granted
    this.#heldUntilMs = askedAtMs + leaseMs
    this.#renewAtMs = askedAtMs + leaseMs / 3
    this.#free = free
    this.#freeAtMs = askedAtMs
    if (granted > 0) this.#lastTakenMs = Math.max(this.#lastTakenMs, askedAtMs)
  }

  unanswered(): void {
    this.#isReported = false
  }

  /** Discards the last answer of the database. */
  askAnew(): void {
    this.#free = null
  }

  /** The database is unreachable: after the rest of the lease this gateway may use `share`. */
  goOn(share: number): void {
    this.#alone = share
  }

  /** The database is back. */
  comeBack(): void {
    if (this.#alone === null) return
    this.#alone = null
    this.#free = null
    this.#isReported = false
  }

  #usable(nowMs: number): number {
    const held = nowMs < this.#heldUntilMs ? this.#held : 0
    return this.#alone === null ? held : Math.max(held, this.#alone)
  }

  #isIdle(nowMs: number): boolean {
    return nowMs - this.#lastTakenMs >= idleAfterMs
  }
}
