import { monotonicMs } from '../../gateway/loop/monotonic.ts'
import type { Db } from '../../storage/database/db.ts'
import { maintainUsagePartitions } from '../../storage/usage/ledger/partitions.ts'
import { countAllLostRequests, forgetSilentSpools, forgottenAfterMs } from '../../storage/usage/ledger/progress.ts'
import type { Log } from '../log/log.ts'

/** Looks after the usage of all gateways in the database. One process is enough; more do no harm. */
export interface UsageMaintenance extends Disposable {
  /** Makes and drops partitions now, and looks after the rest from now on. */
  start(): Promise<void>
  /** Lost records of all gateways since the beginning, as last read from the database; null before the first read. */
  readonly lostByAll: () => number | null
}

const maintainEveryMs = 3_600_000
const lookAfterOthersEveryMs = 10_000
/** After an outage of this length the database has no recent reports of any gateway. */
const longestBreakMs = 25_000

/** Begins with `start`, once the database is prepared. */
export function createUsageMaintenance(options: {
  readonly db: Db
  readonly retentionDays: number
  readonly log: Log
}): UsageMaintenance {
  const { db, retentionDays, log } = options
  const watch = createAnswerWatch()
  let lostByAll: number | null = null
  const maintain = () =>
    maintainUsagePartitions(db, retentionDays, Date.now()).then(
      (dropped) => dropped.length > 0 && log.info({ partitions: dropped }, 'old request logs were dropped'),
      (error: unknown) => log.warn({ err: error }, 'the request log could not be maintained; trying again in an hour'),
    )
  const lookAfterOthers = async () => {
    if (watch.unbrokenMs() >= forgottenAfterMs) await forgetSilentSpools(db)
    lostByAll = await countAllLostRequests(db)
    watch.noteAnswer()
  }
  const timers: NodeJS.Timeout[] = []
  return {
    lostByAll: () => lostByAll,
    async start() {
      await maintain()
      await lookAfterOthers()
      timers.push(
        setInterval(() => void maintain(), maintainEveryMs).unref(),
        setInterval(() => void lookAfterOthers().catch(() => undefined), lookAfterOthersEveryMs).unref(),
      )
    },
    [Symbol.dispose]: () => timers.forEach((timer) => clearInterval(timer)),
  }
}

/** For how long the database has answered without a break: after an outage every gateway looks silent. */
function createAnswerWatch() {
  let sinceMs = 0
  let lastMs = -Infinity
  return {
    noteAnswer: () => {
      const now = monotonicMs()
      if (now - lastMs > longestBreakMs) sinceMs = now
      lastMs = now
    },
    unbrokenMs: () => (monotonicMs() - lastMs > longestBreakMs ? 0 : lastMs - sinceMs),
  }
}
