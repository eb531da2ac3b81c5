import { join } from 'node:path'
import { RefusedRecords, type Shipper, startShipper, type UsageStore } from '../gateway/spool/ship.ts'
import { openSpool, type Spool } from '../gateway/spool/spool.ts'
import type { Db } from '../storage/database.ts'
import { createUsageEncoder } from '../storage/usage-encoder.ts'
import { insertUsageEntries, isRefusal } from '../storage/usage-insert.ts'
import { maintainUsagePartitions } from '../storage/usage-partitions.ts'
import { deleteAdoptedProgress, deleteUsageProgress, reportUsageProgress } from '../storage/usage-progress.ts'
import type { Log } from './log.ts'

/** Usage on its way from the gateway to the database. Disposing ships what it can; the rest waits on disk. */
export interface Usage extends AsyncDisposable {
  readonly spool: Spool
  /** Begins to ship, once the database is prepared. */
  start(): Promise<void>
}

const maintainEveryMs = 3_600_000
const lastShippingMs = 5_000

/** Opens the spool in the data folder and recovers what earlier processes left in it. Throws if it cannot be had. */
export function openUsage(options: {
  readonly dataDir: string
  readonly retentionDays: number
  readonly db: Db
  /** Told of requests whose records are in the database now. */
  readonly onStored: (ids: readonly string[]) => Promise<void>
  readonly log: Log
}): Usage {
  const { dataDir, retentionDays, db, onStored, log } = options
  const spool = openSpool({ root: join(dataDir, 'spool'), encoder: createUsageEncoder(), log })
  const store = usageStore(db, onStored)
  let shipper: Shipper | undefined
  const maintain = () =>
    maintainUsagePartitions(db, retentionDays, Date.now()).then(
      (dropped) => dropped.length > 0 && log.info({ partitions: dropped }, 'old request logs were dropped'),
      (error: unknown) => log.warn({ err: error }, 'the request log could not be maintained; trying again in an hour'),
    )
  const timer = setInterval(() => void maintain(), maintainEveryMs).unref()
  return {
    spool,
    async start() {
      await maintain()
      // Before the first request: reports must not look complete while this gateway has something to ship.
      await store.report(spool.id, spool.state())
      await deleteAdoptedProgress(db, spool.adoptedIds)
      spool.forgetAdopted()
      shipper = startShipper({ spool, store, log })
    },
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
      const isEmpty = (await shipper?.stop(lastShippingMs)) ?? spool.state().pending === 0
      if (isEmpty) await deleteUsageProgress(db, spool.id).catch(() => undefined)
      else log.warn({ pending: spool.state().pending }, 'usage records wait on disk for the next start')
      spool[Symbol.dispose]()
    },
  }
}

function usageStore(db: Db, onStored: (ids: readonly string[]) => Promise<void>): UsageStore {
  return {
    async deliver(records) {
      try {
        await insertUsageEntries(db, records)
      } catch (error) {
        throw isRefusal(error) ? new RefusedRecords('the database refused usage records', { cause: error }) : error
      }
      // They are stored: that others are not told is no reason to send them again.
      await onStored(records.map(({ id }) => id)).catch(() => undefined)
    },
    report: (spoolId, { completeUntilMs, pending, lost }) =>
      reportUsageProgress(db, { spoolId, completeUntilMs, pending, lost }),
  }
}
