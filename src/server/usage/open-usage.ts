import { join } from 'node:path'
import { monotonicMs } from '../../gateway/loop/monotonic.ts'
import { reportSpool, type Shipper, startShipper } from '../../gateway/spool/ship.ts'
import { openSpool, type Spool } from '../../gateway/spool/spool.ts'
import type { Db } from '../../storage/database/db.ts'
import { createUsageEncoder } from '../../storage/usage/ledger/encoder.ts'
import { maintainUsagePartitions } from '../../storage/usage/ledger/partitions.ts'
import {
  adoptUsageProgress,
  countAllLostRequests,
  deleteUsageProgress,
  forgetSilentSpools,
  forgottenAfterMs,
} from '../../storage/usage/ledger/progress.ts'
import type { Log } from '../log/log.ts'
import { createUsageStore } from './store.ts'

/** Usage on its way from the gateway to the database. Disposing ships what it can; the rest waits on disk. */
export interface Usage extends AsyncDisposable {
  readonly spool: Spool
  /** Begins to ship, once the database is prepared. */
  start(): Promise<void>
  /** Records that are lost, of all gateways and since ever, as the database last said; null: it has not been asked yet. */
  readonly lostByAll: () => number | null
}

const maintainEveryMs = 3_600_000
const lookAfterOthersEveryMs = 10_000
const lastShippingMs = 5_000
/** Who was not heard of for so long was silent itself. */
const longestBreakMs = 15_000

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
  const reports = createReportWatch()
  const store = createUsageStore(db, { onStored, onReported: reports.heard })
  let shipper: Shipper | undefined
  let lostByAll: number | null = null
  const maintain = () =>
    maintainUsagePartitions(db, retentionDays, Date.now()).then(
      (dropped) => dropped.length > 0 && log.info({ partitions: dropped }, 'old request logs were dropped'),
      (error: unknown) => log.warn({ err: error }, 'the request log could not be maintained; trying again in an hour'),
    )
  const lookAfterOthers = async () => {
    if (reports.unbrokenMs() >= forgottenAfterMs) await forgetSilentSpools(db)
    lostByAll = await countAllLostRequests(db)
  }
  const timers: NodeJS.Timeout[] = []
  return {
    spool,
    lostByAll: () => lostByAll,
    async start() {
      // Before anything else: reports must not look complete while this gateway has something to ship, and retention must know of it.
      await reportSpool(spool, store)
      await adoptUsageProgress(db, spool.id, spool.adoptedIds)
      spool.forgetAdopted()
      await maintain()
      lostByAll = await countAllLostRequests(db)
      shipper = startShipper({ spool, store, log })
      timers.push(
        setInterval(() => void maintain(), maintainEveryMs).unref(),
        setInterval(() => void lookAfterOthers().catch(() => undefined), lookAfterOthersEveryMs).unref(),
      )
    },
    async [Symbol.asyncDispose]() {
      for (const timer of timers) clearInterval(timer)
      const isEmpty = (await shipper?.stop(lastShippingMs)) ?? spool.state().pending === 0
      if (isEmpty) await deleteUsageProgress(db, spool.id).catch(() => undefined)
      else sayWhatWaits(spool, log)
      spool[Symbol.dispose]()
    },
  }
}

/** What is in memory alone is written first, if there is room by now; the rest goes with this process, and the next one counts it. */
function sayWhatWaits(spool: Spool, log: Log): void {
  spool.flush()
  const unsafe = spool.secure()
  const pending = spool.state().pending - unsafe
  if (pending > 0) log.warn({ pending }, 'usage records wait on disk for the next start')
  if (unsafe > 0) log.error({ lost: unsafe }, 'usage records are lost: neither disk nor database takes them')
}

/** For how long the database has heard of this process without a break. */
function createReportWatch() {
  let sinceMs = 0
  let lastMs = -Infinity
  return {
    heard: () => {
      const now = monotonicMs()
      if (now - lastMs > longestBreakMs) sinceMs = now
      lastMs = now
    },
    unbrokenMs: () => (monotonicMs() - lastMs > longestBreakMs ? 0 : lastMs - sinceMs),
  }
}
