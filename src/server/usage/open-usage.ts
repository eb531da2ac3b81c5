import { join } from 'node:path'
import { reportSpool, type Shipper, startShipper } from '../../gateway/spool/ship.ts'
import { openSpool, type Spool } from '../../gateway/spool/spool.ts'
import type { Db } from '../../storage/database/db.ts'
import { createUsageEncoder } from '../../storage/usage/ledger/encoder.ts'
import { adoptUsageProgress, deleteUsageProgress } from '../../storage/usage/ledger/progress.ts'
import type { Log } from '../log/log.ts'
import { createUsageStore } from './store.ts'

/** Usage on its way from the gateway to the database. Disposing ships what it can; the rest waits on disk. */
export interface Usage extends AsyncDisposable {
  readonly spool: Spool
  /** Begins to ship, once the database is prepared. */
  start(): Promise<void>
}

const lastShippingMs = 5_000

/** Opens the spool in the data folder and recovers what earlier processes left in it. Throws if it cannot be had. */
export function openUsage(options: {
  readonly dataDir: string
  readonly db: Db
  /** Told of requests whose records are in the database now. */
  readonly onStored: (ids: readonly string[]) => Promise<void>
  readonly log: Log
}): Usage {
  const { dataDir, db, onStored, log } = options
  const spool = openSpool({ root: join(dataDir, 'spool'), encoder: createUsageEncoder(), log })
  const store = createUsageStore(db, onStored)
  let shipper: Shipper | undefined
  return {
    spool,
    async start() {
      // Before anything else: reports must not look complete while this gateway has something to ship, and retention must know of it.
      await reportSpool(spool, store)
      await adoptUsageProgress(db, spool.id, spool.adoptedIds)
      spool.forgetAdopted()
      shipper = startShipper({ spool, store, log })
    },
    async [Symbol.asyncDispose]() {
      const isEmpty = (await shipper?.stop(lastShippingMs)) ?? spool.state().pending === 0
      if (isEmpty) await deleteUsageProgress(db, spool.id).catch(() => undefined)
      else sayWhatWaits(spool, log)
      spool[Symbol.dispose]()
    },
  }
}

/**
 * Records that exist only in memory are written first, if there is room by now; the rest is lost with this process, and the next
 * process counts it.
 */
function sayWhatWaits(spool: Spool, log: Log): void {
  spool.flush()
  const unsafe = spool.secure()
  const pending = spool.state().pending - unsafe
  if (pending > 0) log.warn({ pending }, 'usage records wait on disk for the next start')
  if (unsafe > 0) log.error({ lost: unsafe }, 'usage records are lost: neither disk nor database takes them')
}
