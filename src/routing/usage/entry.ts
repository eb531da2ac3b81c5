/** The form in which usage records go from a gateway to the database: text that the gateway stores on disk and does not read. */
import type { UsageRecord } from './record.ts'

/** What many records have in common: the ids and names of route, backend and key, operation and outcome. */
export interface UsageAttributes {
  /** The number by which entries refer to it; unique only within one encoder. */
  readonly number: number
  readonly text: string
}

/** One record. */
export interface UsageEntry {
  readonly about: UsageAttributes
  readonly line: string
}

/** Encodes records for the store. It runs for every request, so it must be cheap and never throw. */
export interface UsageEncoder {
  /** Encodes a record. Records with the same attributes share one `about` object, unless too many others came between them. */
  encode(record: UsageRecord): UsageEntry
}
