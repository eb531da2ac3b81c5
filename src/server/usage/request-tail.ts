import { setTimeout as sleep } from 'node:timers/promises'
import type { UsageRecord } from '../../routing/usage/record.ts'
import type { Db } from '../../storage/database/db.ts'
import { listEndedRequests, type RequestTailFilter } from '../../storage/usage/request-log.ts'

export interface RequestTailOptions {
  readonly filter: RequestTailFilter
  /** Requests that ended then or later; null: the last ones. */
  readonly since: Date | null
  /** The most of those that ended before the call. */
  readonly limit: number
  /** Ends the following; undefined: nothing is followed. */
  readonly follow: AbortSignal | undefined
}

const everyMs = 1_000
/** Records come about a second after their request's end. One that is later than this, because the database was away, is not shown. */
const latestMs = 15_000
const mostAtOnce = 10_000

/** The requests that ended, in that order, and then those that end, until `follow` is aborted. */
export async function* tailRequests(db: Db, options: RequestTailOptions): AsyncGenerator<UsageRecord> {
  const { filter, since, limit, follow } = options
  const shown = new Map<string, number>()
  let endedFrom = since ?? new Date(0)
  let most = limit
  let newestMs = Date.now()
  for (;;) {
    for (const record of await listEndedRequests(db, filter, { endedFrom, known: [...shown.keys()], limit: most })) {
      const endedAtMs = record.startedAtMs + record.durationMs
      newestMs = Math.max(newestMs, endedAtMs)
      shown.set(record.id, endedAtMs)
      yield record
    }
    if (!follow || !(await slept(follow))) return
    newestMs = Math.max(newestMs, Date.now())
    endedFrom = new Date(Math.max(newestMs - latestMs, since?.getTime() ?? 0))
    most = mostAtOnce
    for (const [id, endedAtMs] of shown) if (endedAtMs < endedFrom.getTime()) shown.delete(id)
  }
}

/** False: the signal came before. */
async function slept(signal: AbortSignal): Promise<boolean> {
  return sleep(everyMs, true, { signal }).catch(() => false)
}
