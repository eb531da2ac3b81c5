/** One lease round of a gateway for a budget: its report and what it is granted. Money is in whole billionths of a USD. */
import type { Budget } from './limit.ts'

export interface BudgetLeaseRequest {
  readonly budget: Budget
  /** The part of the budget: see `bucketKey`. */
  readonly bucket: string
  /** The running period, in milliseconds since the epoch; null: it has no end. */
  readonly periodStartMs: number
  readonly periodEndMs: number | null
  /**
   * What the gateway holds: for requests in flight, for ended requests whose records are not in the database, and for the next
   * requests.
   */
  readonly held: number
  /** The part of `held` for requests in flight and for records that are not in the database. */
  readonly inUse: number
  readonly need: number
  readonly spare: number
  /** Whether a request was refused since the last round. */
  readonly hasRefused: boolean
}

export interface BudgetAnswer {
  readonly granted: number
  /** What is neither spent nor held by a gateway; negative if more was spent than the budget allows. */
  readonly free: number
}
