/** One lease round of a gateway for a bucket: its report and what it is granted. */

export type LimitUnit = 'REQUESTS' | 'TOKENS' | 'IN_FLIGHT'

/** What a gateway used without the database, reported when the database is back. */
export interface SoloUse {
  /** How long ago it began. */
  readonly sinceMs: number
  /** How many gateways shared the bucket. */
  readonly gateways: number
  /** What is left of the gateway's share; negative with debt. */
  readonly left: number
  /** What was used of the share and has not refilled: at most a full share. */
  readonly lacking: number
}

export interface LeaseRequest {
  readonly limitId: string
  /** The part of the limit: see `bucketKey`. */
  readonly bucket: string
  readonly unit: LimitUnit
  /** Units per minute; 0 for `IN_FLIGHT`. */
  readonly perMinute: number
  readonly burst: number
  /** Units that the gateway holds unused; for `IN_FLIGHT` also those in use. */
  readonly held: number
  /** Units in use for `IN_FLIGHT`; else 0. */
  readonly inUse: number
  /** Since the last unit was used. */
  readonly idleMs: number
  readonly returned: number
  readonly debt: number
  readonly need: number
  readonly spare: number
  /** Null if the database was reachable since the last round. */
  readonly solo: SoloUse | null
  /** Requests that the limit refused, or would have refused, since the last round. */
  readonly refused: number
  readonly wouldRefuse: number
}

export interface LeaseAnswer {
  readonly granted: number
  /** Units left in the bucket, negative with debt; for `IN_FLIGHT` the places that no gateway holds. */
  readonly left: number
}

/** How long a gateway may use what it was granted. The part of a gateway that dies is lost for this time. */
export const leaseMs = 5_000
