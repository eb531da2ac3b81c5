import type { Db } from '../../storage/database/db.ts'
import { sweepBudgetBuckets } from '../../storage/budget/lease.ts'
import { sweepLimitBuckets } from '../../storage/limit/states.ts'
import { pruneHistory } from '../../storage/change/retention.ts'
import { pruneUsageDimensions } from '../../storage/usage/ledger/dimensions.ts'
import { dropUsageMinutes } from '../../storage/usage/ledger/minutes.ts'
import type { Log } from '../log/log.ts'

const everyMs = 3_600_000

/** Deletes now and each hour what is kept for a while only; `openUsage` does it for the request log. Disposing waits for what is under way. */
export function startRetention(options: {
  readonly db: Db
  readonly retentionDays: number
  readonly log: Log
}): AsyncDisposable {
  const { db, retentionDays, log } = options
  const over = new AbortController()
  const run = async () => {
    const minuteDays = await dropUsageMinutes(db, retentionDays, Date.now(), over.signal)
    // Once a day, by the first process that tries.
    const dimensions = minuteDays > 0 ? await pruneUsageDimensions(db) : 0
    await sweepLimitBuckets(db)
    await sweepBudgetBuckets(db)
    const { changes, revisions } = await pruneHistory(db)
    const deleted = { minuteDays, dimensions, changes, revisions }
    if (Object.values(deleted).some((count) => count > 0))
      log.info(deleted, 'what is kept for a while only was deleted')
  }
  const runQuietly = () =>
    run().catch((error: unknown) =>
      log.warn({ err: error }, 'what is kept for a while only could not be deleted; trying again in an hour'),
    )
  let running = runQuietly()
  const timer = setInterval(() => {
    running = running.then(runQuietly)
  }, everyMs).unref()
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
      over.abort()
      await running
    },
  }
}
