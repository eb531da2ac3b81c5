/** How usage records travel from a gateway to the database: as text that the gateway keeps on disk and does not read. */
import type { UsageRecord } from './record.ts'

/** What many records have in common: the ids and names of route, backend and key, operation and outcome. */
export interface UsageAttributes {
  /** Its entries refer to it by this, and only among entries of the same encoder. */
  readonly number: number
  readonly text: string
}

/** One record. */
export interface UsageEntry {
  readonly about: UsageAttributes
  readonly line: string
}

/** Writes records down as whoever stores them wants to read them. On the way of every request: cheap, never throws. */
export interface UsageEncoder {
  /** Records about the same get the same `about` object, unless there were too many others between them. */
  encode(record: UsageRecord): UsageEntry
}
