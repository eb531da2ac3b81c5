import { sql } from 'kysely'
import type { Db } from '../../database/db.ts'
import { usageLayers } from '../report/layers.ts'
import { readClockMs } from './partitions.ts'

const dayMs = 86_400_000
/** Or as long as the records, if that is longer. */
const minDays = 90
const minuteLayers = usageLayers.filter(({ grain }) => grain === 'MINUTE').map(({ number }) => number)

/**
 * Deletes the sums by minute of the UTC days that are older than 90 days and than `retentionDays`, by the earlier of `nowMs` and the
 * database's clock; those by hour, day and month stay. Returns how many days that were.
 *
 * Each day is a transaction of its own, oldest first, and says up to where reports may not use minutes any more. What comes later for
 * such a day, from a gateway that was away, counts in all sums; its minutes go with the next call. `signal` ends it between two days.
 */
export async function dropUsageMinutes(
  db: Db,
  retentionDays: number,
  nowMs: number,
  signal?: AbortSignal,
): Promise<number> {
  const today = Math.floor(Math.min(nowMs, await readClockMs(db)) / dayMs)
  const keptFromMs = (today - Math.max(minDays, retentionDays)) * dayMs
  let days = 0
  const mayGoOn = () => signal?.aborted !== true
  while (mayGoOn() && (await dropFirstDay(db, keptFromMs))) days++
  return days
}

/** False: there is none before this instant. */
async function dropFirstDay(db: Db, keptFromMs: number): Promise<boolean> {
  return await db.transaction().execute(async (tx) => {
    const first = await tx
      .selectFrom('usage_rollup')
      .where('layer', 'in', minuteLayers)
      .where('bucket', '<', new Date(keptFromMs))
      .select('bucket')
      .orderBy('bucket')
      .limit(1)
      .executeTakeFirst()
    if (!first) return false
    const end = new Date((Math.floor(first.bucket.getTime() / dayMs) + 1) * dayMs)
    // Also the lock: of two gateways the second one waits here, and finds nothing left.
    await tx
      .updateTable('usage_retention')
      .set({ minutes_dropped_until: sql<Date>`greatest(minutes_dropped_until, ${end})` })
      .execute()
    await tx.deleteFrom('usage_rollup').where('layer', 'in', minuteLayers).where('bucket', '<', end).execute()
    return true
  })
}
