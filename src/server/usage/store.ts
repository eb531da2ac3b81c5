import { RefusedRecords, UnclearFailure, type UsageStore } from '../../gateway/spool/delivery.ts'
import type { Db } from '../../storage/database/db.ts'
import { insertUsageEntries, judgeFailure } from '../../storage/usage/ledger/insert.ts'
import { refuseUsageRecord, reportUsageProgress } from '../../storage/usage/ledger/progress.ts'

/** The database as the shipper sees it. `onStored` is told of requests whose records are in the database now. */
export function createUsageStore(
  db: Db,
  onStored: (ids: readonly string[]) => Promise<void> = async () => {},
): UsageStore {
  return {
    async deliver(records, { spoolId, runId }) {
      const origin = runId === null ? null : { spoolId, runId, sequences: records.map(({ sequence }) => sequence) }
      try {
        await insertUsageEntries(db, records, origin)
      } catch (error) {
        throw asDelivered(error)
      }
      // They are stored: that others are not told is no reason to send them again.
      if (records.length > 0) await onStored(records.map(({ id }) => id)).catch(() => undefined)
    },
    refuse: ({ sequence }, { spoolId, runId }, losses) => refuseUsageRecord(db, { spoolId, runId, sequence, losses }),
    report: (spoolId, state) => reportUsageProgress(db, { spoolId, ...state }),
  }
}

/** As the shipper wants to hear of a failure. */
function asDelivered(error: unknown): unknown {
  switch (judgeFailure(error)) {
    case 'REFUSED':
      return new RefusedRecords('the database refused usage records', { cause: error })
    case 'UNCLEAR':
      return new UnclearFailure('the database failed on usage records', { cause: error })
    case 'PASSING':
      return error
  }
}
