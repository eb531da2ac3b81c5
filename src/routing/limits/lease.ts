/** A gateway's turn at a bucket: what it tells, and what it is granted. */

export type LimitUnit = 'REQUESTS' | 'TOKENS' | 'IN_FLIGHT'

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
