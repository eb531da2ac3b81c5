import { endedAtMs, type UsageRecord } from '../../routing/usage/record.ts'
import { type LedgerClock, toleranceMs } from './ledger-clock.ts'

/**
 * The record of a request that ends now. If the clock of this machine is wrong, or was set while the request was received, waited or
 * ran, its beginning and its length do not lead to now: then it would end before what is said to be complete, or days ahead.
 */
export function timelyRecord(record: UsageRecord, clock: LedgerClock): UsageRecord {
  const nowMs = clock.now()
  if (Math.abs(endedAtMs(record) - nowMs) < toleranceMs) return record
  return { ...record, startedAtMs: Math.round(nowMs - record.durationMs) }
}
