/** A gateway's turn at a budget: what it tells, and what it is granted. Money in whole billionths of a USD. */
import type { Budget } from './limit.ts'

export interface BudgetLeaseRequest {
  readonly budget: Budget
  /** The part of the budget: see `bucketKey`. */
  readonly bucket: string
  /** The running period, in milliseconds since the epoch; null: it has no end. */
  readonly periodStartMs: number
  readonly periodEndMs: number | null
  /** What the gateway has: for requests under way, for ended ones whose records are not in the database, and for the next ones. */
  readonly held: number
  /** The part of it that is for requests under way and for records that are not in the database. */
  readonly inUse: number
  readonly need: number
  readonly spare: number
  /** Whether a request was kept out since the last turn. */
  readonly hasRefused: boolean
}

export interface BudgetAnswer {
  readonly granted: number
  /** What is neither spent nor held by anybody; below zero where more was spent than the budget allows. */
  readonly free: number
}
