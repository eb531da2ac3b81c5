import { setTimeout as sleep } from 'node:timers/promises'
import type { UsageRecord } from '../../routing/usage/record.ts'
import type { LogReader } from './log-reader.ts'

export interface RequestTailOptions {
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
export async function* tailRequests(
  reader: Pick<LogReader, 'read'>,
  options: RequestTailOptions,
): AsyncGenerator<UsageRecord> {
  const { since, limit, follow } = options
  const shown = new Map<string, number>()
  let endedFrom = since ?? new Date(0)
  let most = limit
  let newestMs = Date.now()
  for (;;) {
    const records = await reader.read({ endedFrom, known: [...shown.keys()], limit: most })
    for (const record of records ?? []) {
      const endedAtMs = record.startedAtMs + record.durationMs
      newestMs = Math.max(newestMs, endedAtMs)
      shown.set(record.id, endedAtMs)
      yield record
    }
    if (!follow || !(await slept(follow))) return
    // While the database is away nothing passes unseen.
    if (!records) continue
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
