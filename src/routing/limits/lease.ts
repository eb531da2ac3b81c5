/** A gateway's turn at a bucket: what it tells, and what it is granted. */

export type LimitUnit = 'REQUESTS' | 'TOKENS' | 'IN_FLIGHT'

/** How a gateway went on without the database, told once it is back. */
export interface SoloUse {
  /** How long ago it began. */
  readonly sinceMs: number
  /** How many gateways shared the bucket. */
  readonly gateways: number
  /** What is left of the gateway's share; below zero with debt. */
  readonly left: number
  /** What was used of the share and has not come again: at most a full one. */
  readonly lacking: number
}

export interface LeaseRequest {
  readonly limitId: string
  /** The part of the limit: see `bucketKey`. */
  readonly bucket: string
  readonly unit: LimitUnit
  /** Units a minute; of `IN_FLIGHT` 0. */
  readonly perMinute: number
  readonly burst: number
  /** What the gateway has and has not used; of `IN_FLIGHT` also what it uses. */
  readonly held: number
  /** Of `IN_FLIGHT` what is in use; else 0. */
  readonly inUse: number
  /** Since the last unit was used. */
  readonly idleMs: number
  readonly returned: number
  readonly debt: number
  readonly need: number
  readonly spare: number
  /** Null: it has not been without the database since its last turn. */
  readonly solo: SoloUse | null
  /** Requests that the limit refused, or would have refused, since the last turn. */
  readonly refused: number
  readonly wouldRefuse: number
}

export interface LeaseAnswer {
  readonly granted: number
  /** In the bucket, below zero with debt; of `IN_FLIGHT` what nobody holds. */
  readonly left: number
}

/** How long a gateway may use what it was granted. One that dies takes its part along for so long. */
export const leaseMs = 5_000
