import { sql } from 'kysely'
import type { Db } from '../../database/db.ts'

const dayMs = 86_400_000

// Any number serves, as long as nobody else uses it in this database.
const partitionLock = 7_302_118_946

// A clock may be wrong, but a year of more or less than four digits is no date of a request.
const firstDay = Date.UTC(1000, 0, 1) / dayMs
const lastDay = Date.UTC(9999, 11, 30) / dayMs

/** Whether there can be a partition for this instant (ms since the epoch). */
export function hasUsagePartition(instantMs: number): boolean {
  const day = Math.floor(instantMs / dayMs)
  return day >= firstDay && day <= lastDay
}

/**
 * Makes the partitions of `usage_record` for the UTC days of these instants (ms since the epoch), where they are missing.
 * What is no instant of the years 1000 to 9999 gets none.
 */
export async function createUsagePartitions(db: Db, instantsMs: readonly number[]): Promise<void> {
  const days = [...new Set(instantsMs.filter(hasUsagePartition).map((instant) => Math.floor(instant / dayMs)))].sort(
    (a, b) => a - b,
  )
  await db.transaction().execute(async (tx) => {
    await sql`select pg_advisory_xact_lock(${partitionLock})`.execute(tx)
    for (const day of days) await sql`select create_usage_partition(${dateOf(day)}::date)`.execute(tx)
  })
}

function partitionName(day: number): string {
  return `usage_record_${dateOf(day).replaceAll('-', '_')}`
}

function dateOf(day: number): string {
  return new Date(day * dayMs).toISOString().slice(0, 10)
}

/**
 * Drops the partitions whose records all ended more than `retentionDays` before `nowMs`, and makes those of the coming
 * two days. The sums stay. Returns the names of the dropped partitions; call it about once an hour.
 *
 * Two bounds keep what must stay. The database's clock: one gateway whose clock is ahead would drop everybody's log. And what the spools
 * may still send: a record that comes again after its partition was dropped could not be told from a new one by its id.
 *
 * Gives up after 5 s if someone reads what is to be dropped: then it throws, and the next call does it.
 */
export async function maintainUsagePartitions(db: Db, retentionDays: number, nowMs: number): Promise<string[]> {
  const databaseMs = await readClockMs(db)
  const coming = [nowMs, databaseMs].flatMap((now) => [now - dayMs, now, now + dayMs, now + 2 * dayMs])
  await createUsagePartitions(db, coming)
  const keptFrom = Math.floor(Math.min(nowMs, databaseMs) / dayMs) - retentionDays
  return await db.transaction().execute(async (tx) => {
    await sql`set local lock_timeout = '5s'`.execute(tx)
    await sql`select pg_advisory_xact_lock(${partitionLock})`.execute(tx)
    const firstKept = Math.min(keptFrom, await findFirstPendingDay(tx))
    const names = (await listPartitions(tx)).filter((name) => name < partitionName(firstKept))
    if (names.length === 0) return []
    await tx
      .updateTable('usage_retention')
      .set({ dropped_until: sql<Date>`greatest(dropped_until, ${new Date(firstKept * dayMs)})` })
      .execute()
    for (const name of names) await sql`drop table ${sql.table(name)}`.execute(tx)
    return names
  })
}

/** The database's clock, in milliseconds since the epoch. */
export async function readClockMs(db: Db): Promise<number> {
  const { rows } = await sql<{
    now: number
  }>`select extract(epoch from clock_timestamp())::float8 * 1000 as now`.execute(db)
  return rows[0]!.now
}

/** The day of the earliest record that a spool which is not forgotten may still send; infinity: there is no such spool. */
async function findFirstPendingDay(tx: Db): Promise<number> {
  const row = await tx
    .selectFrom('usage_progress')
    .where('forgotten_at', 'is', null)
    .select(({ fn }) => fn.min('complete_until').as('first'))
    .executeTakeFirst()
  return row?.first ? Math.max(firstDay, Math.floor(row.first.getTime() / dayMs)) : Infinity
}

async function listPartitions(tx: Db): Promise<string[]> {
  const { rows } = await sql<{ name: string }>`
    select child.relname as name
    from pg_inherits join pg_class as child on child.oid = inhrelid
    where inhparent = 'usage_record'::regclass
    order by child.relname collate "C"
  `.execute(tx)
  return rows.map((row) => row.name)
}
