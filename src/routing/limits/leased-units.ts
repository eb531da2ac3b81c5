/**
 * What one gateway holds of one bucket: requests, or tokens, of a rate limit.
 *
 * The bucket itself is in the database. Units leave it before they are used, so that all gateways together admit at most
 * `burst + rate × t` over any interval of t: what a gateway holds and what is left in the bucket never exceed the burst together. A
 * gateway that dies takes what it held along; the database counts it as held until the lease ends.
 *
 * Without the database the gateway goes on with the rest of its lease and its share of the rate, which together never exceed its share of
 * the burst. When the database is back, what is left of the share goes into the bucket.
 */
import type { SoloUse } from './lease.ts'

/** What the database is told of a bucket, and asked for. */
export interface UnitsRequest {
  /** Units that are held and not used. */
  readonly held: number
  /** How long ago the last unit was used, in milliseconds: the bucket refills from then on. */
  readonly idleMs: number
  /** Reserved units that were not used and return to the bucket. */
  readonly returned: number
  /** Units used beyond the reservation: they make the bucket negative. */
  readonly debt: number
  /** Units for which requests wait. */
  readonly need: number
  /** Units to keep for the next requests. */
  readonly spare: number
  readonly solo: SoloUse | null
}

export interface UnitsAnswer {
  readonly granted: number
  /** Units left in the bucket; negative while there is debt. */
  readonly level: number
}

export interface UnitsRate {
  readonly perMinute: number
  readonly burst: number
}

const minuteMs = 60_000
/** A grant lasts for about this many statements at the current rate of use. */
const sliceStatements = 4
/** Units that were not needed for this time are returned. */
const idleAfterMs = 1_000

interface UntoldSolo extends Omit<SoloUse, 'sinceMs'> {
  readonly beganAtMs: number
}

export class LeasedUnits {
  rate: UnitsRate
  #held = 0
  #heldUntilMs = 0
  #lastUsedMs = 0
  #returned = 0
  #debt = 0
  /** Units used since the last statement. */
  #used = 0
  #usedBefore = 0
  #isReported = true
  /** Null until the database has answered. */
  #level: number | null = null
  #levelAtMs = 0
  /** This gateway's own share while the database is unreachable; null while it is reachable. */
  #share: { level: number; used: number; beganAtMs: number; atMs: number; gateways: number } | null = null
  /** Use of the own share that was not reported yet. */
  #solo: UntoldSolo | null = null

  constructor(rate: UnitsRate) {
    this.rate = rate
  }

  /** The units, but at most a full bucket: a request that needs more takes all of it and leaves a debt. */
  bounded(units: number): number {
    return Math.min(units, this.#share ? this.#shareBurst : this.rate.burst)
  }

  /** Whether these units can be used now. */
  has(units: number, nowMs: number): boolean {
    return this.bounded(units) <= this.#usable(nowMs)
  }

  /** Uses them; ask `has` before. Returns how many were taken. */
  take(units: number, nowMs: number): number {
    const taken = this.bounded(units)
    const fromLease = Math.min(taken, this.#heldAt(nowMs))
    this.#held -= fromLease
    this.#used += taken
    this.#lastUsedMs = nowMs
    this.#isReported = false
    if (this.#share) this.#useShare(taken - fromLease)
    return taken
  }

  /** Returns units that were taken and not used. */
  giveBack(units: number): void {
    if (units <= 0) return
    this.#isReported = false
    if (this.#share) this.#useShare(-units)
    else {
      this.#returned += units
      if (this.#level !== null) this.#level += units
    }
  }

  /** Adds units that were used without having been taken. */
  owe(units: number): void {
    if (units <= 0) return
    this.#isReported = false
    const fromLease = Math.min(units, this.#held)
    this.#held -= fromLease
    if (this.#share) this.#useShare(units - fromLease)
    else this.#debt += units - fromLease
  }

  /** Whether the database may have the missing units, so that it must be asked. */
  mayHave(units: number, nowMs: number): boolean {
    if (this.#share) return false
    return this.#level === null || this.#heldAt(nowMs) + this.#levelNow(nowMs) >= this.bounded(units)
  }

  /** The shortest time until these units can be available, in milliseconds. */
  untilMs(units: number, nowMs: number): number {
    const lacking = this.bounded(units) - this.left(nowMs)
    if (lacking <= 0) return 0
    return Math.ceil(lacking / this.#perMs)
  }

  /** What can still be used, as far as this gateway knows. */
  left(nowMs: number): number {
    return (
      this.#usable(nowMs) +
      (this.#share ? 0 : (this.#level === null ? this.rate.burst : this.#levelNow(nowMs)) - this.#debt)
    )
  }

  /** Until the bucket is full again if nothing is used, in milliseconds. */
  untilFullMs(nowMs: number): number {
    return Math.max(0, Math.ceil((this.rate.burst - this.left(nowMs)) / this.#perMs))
  }

  /** Whether there is something to report to the database. */
  wantsRound(nowMs: number): boolean {
    return !this.#isReported || (this.#held > 0 && this.#isIdle(nowMs))
  }

  /** Whether nothing is held or waits to be reported. */
  isForgettable(nowMs: number): boolean {
    return this.#isReported && this.#heldAt(nowMs) <= 0 && this.#isIdle(nowMs)
  }

  /** The next report and request. `need`: units for which requests wait. `gateways`: the number that share the bucket. */
  ask(need: number, gateways: number, nowMs: number): UnitsRequest {
    const held = this.#heldAt(nowMs)
    const keeps = this.#isIdle(nowMs) ? 0 : held
    const spare = Math.max(0, this.#wanted(gateways) - keeps)
    const solo = this.#solo
    const ask = {
      held: keeps,
      idleMs: Math.max(0, nowMs - this.#lastUsedMs),
      returned: this.#returned,
      debt: this.#debt,
      need: Math.max(0, Math.min(need, this.rate.burst) - keeps),
      spare,
      solo: solo && { ...untimed(solo), sinceMs: nowMs - solo.beganAtMs },
    }
    this.#held = keeps
    this.#solo = null
    this.#returned = 0
    this.#debt = 0
    this.#usedBefore = this.#used
    this.#used = 0
    this.#isReported = true
    return ask
  }

  /** Takes an answer. `askedAtMs`: when the request was sent; `leaseMs`: how long the grant may be used from then on. */
  answer({ granted, level }: UnitsAnswer, askedAtMs: number, leaseMs: number): void {
    this.#share = null
    this.#held += granted
    this.#heldUntilMs = askedAtMs + leaseMs
    this.#level = level
    this.#levelAtMs = askedAtMs
    this.#payDebt()
    // A grant counts as held until its use is reported, even if no request waits.
    if (granted > 0) this.#lastUsedMs = Math.max(this.#lastUsedMs, askedAtMs)
  }

  /** The database may not have got the request: debt is reported again, and nothing is returned twice. `askedAtMs`: when it was sent. */
  unanswered(ask: UnitsRequest, askedAtMs: number): void {
    this.#debt += ask.debt
    this.#isReported = false
    if (ask.solo)
      this.#addSolo({ ...untimed(ask.solo), beganAtMs: askedAtMs - ask.solo.sinceMs, left: Math.min(0, ask.solo.left) })
  }

  /** The database is unreachable: from now on the gateway uses its share among `gateways`, which is empty at first. */
  goOn(gateways: number, nowMs: number): void {
    if (this.#share) {
      this.#share.gateways = gateways
      return
    }
    this.#share = { level: 0, used: 0, beganAtMs: nowMs, atMs: nowMs, gateways }
    this.#held = Math.min(this.#held, this.#shareBurst)
  }

  /** The database is back: the use must be reported, and the database asked, before further units are used. */
  comeBack(nowMs: number): void {
    if (!this.#share) return
    const { used, beganAtMs, gateways } = this.#share
    const left = this.#shareAt(nowMs)
    const lacking = Math.max(0, Math.min(used, this.#shareBurst - left))
    this.#addSolo({ beganAtMs, gateways, left, lacking })
    this.#share = null
    this.#level = null
    this.#isReported = false
  }

  /** Adds use that was not reported yet. The earlier rest is then not returned, because it may have been returned already. */
  #addSolo(solo: UntoldSolo): void {
    const earlier = this.#solo
    this.#solo = earlier
      ? {
          gateways: solo.gateways,
          beganAtMs: Math.min(earlier.beganAtMs, solo.beganAtMs),
          left: Math.min(0, earlier.left) + solo.left,
          lacking: Math.min(this.rate.burst, earlier.lacking + solo.lacking),
        }
      : solo
  }

  #useShare(units: number): void {
    const share = this.#share!
    share.level = Math.min(this.#shareBurst, share.level - units)
    share.used += units
  }

  /** Pays debt from a grant before requests use it. */
  #payDebt(): void {
    const paid = Math.min(this.#debt, this.#held)
    if (paid <= 0) return
    this.#held -= paid
    this.#debt -= paid
  }

  get #perMs(): number {
    return this.rate.perMinute / minuteMs / (this.#share?.gateways ?? 1)
  }

  get #shareBurst(): number {
    return Math.max(1, this.rate.burst / (this.#share?.gateways ?? 1))
  }

  #usable(nowMs: number): number {
    return this.#heldAt(nowMs) + this.#shareAt(nowMs)
  }

  #heldAt(nowMs: number): number {
    if (nowMs >= this.#heldUntilMs) this.#held = 0
    return this.#held
  }

  #shareAt(nowMs: number): number {
    const share = this.#share
    if (!share) return 0
    const most = Math.max(0, this.#shareBurst - this.#heldAt(nowMs))
    share.level = Math.min(most, share.level + Math.max(0, nowMs - share.atMs) * this.#perMs)
    share.atMs = nowMs
    return share.level
  }

  #levelNow(nowMs: number): number {
    const refilled = (this.#level ?? 0) + Math.max(0, nowMs - this.#levelAtMs) * this.#perMs
    return Math.min(this.rate.burst - this.#held, refilled)
  }

  /** The units to ask for: enough that steady traffic does not wait for the database, and nothing extra for a single request. */
  #wanted(gateways: number): number {
    const pace = Math.max(this.#used, this.#usedBefore)
    if (pace <= 1) return 0
    return Math.floor(Math.min(pace * sliceStatements, this.rate.burst / (2 * gateways)))
  }

  #isIdle(nowMs: number): boolean {
    return nowMs - this.#lastUsedMs >= idleAfterMs
  }
}

function untimed({ gateways, left, lacking }: Omit<SoloUse, 'sinceMs'>): Omit<SoloUse, 'sinceMs'> {
  return { gateways, left, lacking }
}
