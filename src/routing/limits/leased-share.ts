/**
 * What one gateway holds of something that is given back when it is no longer used: requests at the same time, or the money that
 * requests under way may cost. All gateways together never hold more than there is; a gateway that dies loses its part when its
 * lease ends.
 */

/** What the database is told of a share, and asked for. */
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
  /** What nobody holds. */
  readonly free: number
}

/** What was full may have room again after so long: others give back without saying so. */
const askAgainAfterMs = 100
/** What was not needed for so long is given back. */
const idleAfterMs = 1_000

export class LeasedShare {
  #held = 0
  #inUse: number
  #heldUntilMs = 0
  #renewAtMs = 0
  #lastTakenMs = 0
  #taken = 0
  #isReported = true
  /** Null: the database has not told it yet. */
  #free: number | null = null
  #freeAtMs = 0
  /** All that this gateway may use while the database is away; null: it is not. */
  #alone: number | null = null

  /** `inUse`: of what is under way already, and was not taken from it. */
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

  /** What was in use is gone for good: it counts elsewhere from now on. */
  spend(amount: number): void {
    this.#inUse -= amount
    this.#held -= amount
    this.#isReported = false
  }

  /** Whether the database may have as much as is lacking: it has to be asked. */
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
    // What was kept beyond the end of the lease may be somebody else's by now.
    const leased = nowMs < this.#heldUntilMs ? this.#held : 0
    const held = Math.max(this.#inUse, Math.min(leased, this.#inUse + wanted))
    // What goes back is free there: what was told before is too little.
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

  /** What was told of it no longer counts. */
  askAnew(): void {
    this.#free = null
  }

  /** The database is away: after the rest of the lease this gateway may use so much. */
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
