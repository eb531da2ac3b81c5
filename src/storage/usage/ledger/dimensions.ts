import { type RawBuilder, sql } from 'kysely'
import type { Db } from '../../database/db.ts'
import { type UsageLevel, usageLayers, usageLevels } from '../report/layers.ts'

/** At a time: whoever inserts usage waits meanwhile. */
const maxPruned = 10_000

/**
 * Deletes what no sum is about, e.g. since all records that came with it had come before. Returns how many rows that were; more than
 * 10,000 go with the next call.
 *
 * They are looked for without a lock first, as there mostly are none. The lock waits for whoever has just found that a row is there, and
 * lets nobody find it before it is gone. Gives up after 5 s.
 */
export async function pruneUsageDimensions(db: Db): Promise<number> {
  const { rows } = await sql<{ key: string }>`
    select key from usage_dimension as d where ${isUnused} limit ${maxPruned}`.execute(db)
  if (rows.length === 0) return 0
  return await db.transaction().execute(async (tx) => {
    await sql`set local lock_timeout = '5s'`.execute(tx)
    await sql`lock table usage_dimension in share row exclusive mode`.execute(tx)
    const { numAffectedRows } = await sql`
      delete from usage_dimension as d where key = any(${rows.map(({ key }) => key)}::uuid[]) and ${isUnused}`.execute(
      tx,
    )
    return Number(numAffectedRows ?? 0)
  })
}

/** Every layer of a level is fed by the same statement, and the coarsest one stays: what is in none of its rows is in no other's. */
const isUnused: RawBuilder<boolean> = sql.join(
  (Object.keys(usageLevels) as UsageLevel[]).map(
    (level) => sql`(level <> ${sql.lit(level)} or not exists (
      select from usage_rollup as r where r.layer = ${sql.lit(coarsestLayer(level))} and r.dimension = d.key))`,
  ),
  sql` and `,
)

function coarsestLayer(level: UsageLevel): number {
  return usageLayers.findLast((layer) => layer.level === level)!.number
}
