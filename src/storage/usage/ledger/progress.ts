import { type RawBuilder, sql } from 'kysely'
import type { Db } from '../../database/db.ts'

/** A number of requests whose records are lost. */
export interface UsageLoss {
  /** What counted them. Of one source and minute the greatest count is right. */
  readonly source: string
  readonly minuteMs: number
  readonly requests: number
}

/** The report of a gateway about its spool. */
export interface UsageProgress {
  readonly spoolId: string
  /** Every request that ended here before this instant is in the database, or lost. */
  readonly completeUntilMs: number
  /** Records that are not yet in the database. */
  readonly pending: number
  /** Records that could be stored nowhere since the process started. */
  readonly lost: number
  /** The part of them that was not reported before. */
  readonly losses?: readonly UsageLoss[]
  /** The processes whose records may still come from this spool; omitted: unknown. */
  readonly runIds?: readonly string[]
}

/** A gateway's clock follows the database's, but not to the millisecond. */
const clockMargin = sql`interval '1 second'`

/** A file that was deleted is there again if its machine died before the folder was written. */
const deletionMargin = sql`interval '1 day'`

/**
 * Say so at the start, before any request is served, and then about every second. Returns the database's time, in milliseconds since the
 * epoch. The losses are told by the same statement: nothing is complete before it is in the database, or known to be lost.
 */
export async function reportUsageProgress(db: Db, progress: UsageProgress): Promise<number> {
  const { spoolId, completeUntilMs, pending, lost, losses = [], runIds } = progress
  const { rows } = await sql<{ now: number }>`
    with told as (${insertLosses(spoolId, losses)}),
    gone as (delete from usage_run where spool_id = ${spoolId} and run_id <> all(${runIds ?? null}::uuid[])
      and updated_at < now() - ${deletionMargin})
    insert into usage_progress (spool_id, complete_until, pending, lost, reported_at)
    values (${spoolId}, least(${new Date(completeUntilMs)}::timestamptz, clock_timestamp() - ${clockMargin}), ${pending}, ${lost}, now())
    on conflict (spool_id) do update set complete_until = excluded.complete_until, pending = excluded.pending, lost = excluded.lost,
      reported_at = excluded.reported_at, forgotten_at = null
    returning extract(epoch from clock_timestamp())::float8 * 1000 as now
  `.execute(db)
  return rows[0]!.now
}

function insertLosses(spoolId: string, losses: readonly UsageLoss[]): RawBuilder<unknown> {
  return sql`
    insert into usage_loss (source, minute, spool_id, requests)
    select source, to_timestamp(minute_ms / 1000), ${spoolId}, requests
    from unnest(${losses.map(({ source }) => source)}::text[], ${losses.map(({ minuteMs }) => minuteMs)}::float8[],
      ${losses.map(({ requests }) => requests)}::bigint[]) as loss (source, minute_ms, requests)
    order by source, minute_ms
    on conflict (source, minute) do update set requests = greatest(usage_loss.requests, excluded.requests)`
}

/**
 * Notes that a record will never be stored: it does not come again, and counts as lost. Returns false if that had been noted before.
 * `sequence` 0: it has no number, and nobody could tell.
 */
export async function refuseUsageRecord(
  db: Db,
  refused: {
    readonly spoolId: string
    readonly runId: string | null
    readonly sequence: number
    readonly losses: readonly UsageLoss[]
  },
): Promise<boolean> {
  const { spoolId, runId, sequence, losses } = refused
  if (runId === null || sequence === 0) {
    await insertLosses(spoolId, losses).execute(db)
    return true
  }
  return await db.transaction().execute(async (tx) => {
    const { numAffectedRows } = await markShipped(runId, spoolId, sequence).execute(tx)
    if (numAffectedRows === 0n) return false
    await insertLosses(spoolId, losses).execute(tx)
    return true
  })
}

function markShipped(runId: string, spoolId: string, sequence: number): RawBuilder<unknown> {
  return sql`
    insert into usage_run (run_id, spool_id, shipped)
    values (${runId}, ${spoolId}, int8multirange(int8range(${sequence}::bigint, ${sequence}::bigint, '[]')))
    on conflict (run_id) do update set shipped = usage_run.shipped + excluded.shipped, updated_at = now()
    where not usage_run.shipped @> excluded.shipped`
}

/**
 * For a gateway that stops for good, with nothing left to ship: nobody waits for it. What was shipped stays known, since its files may outlive
 * the process that was about to delete them.
 */
export async function deleteUsageProgress(db: Db, spoolId: string): Promise<void> {
  await db.deleteFrom('usage_progress').where('spool_id', '=', spoolId).where('pending', '=', 0).execute()
}

/** For spools whose records another one has taken over and reported: nobody waits for them, and what they lost is its. */
export async function adoptUsageProgress(db: Db, spoolId: string, adoptedIds: readonly string[]): Promise<void> {
  if (adoptedIds.length === 0) return
  await db.transaction().execute(async (tx) => {
    for (const table of ['usage_run', 'usage_loss', 'budget_lease'] as const)
      await tx.updateTable(table).set({ spool_id: spoolId }).where('spool_id', 'in', adoptedIds).execute()
    await tx.deleteFrom('usage_progress').where('spool_id', 'in', adoptedIds).execute()
  })
}

/** A spool that was silent for longer counts as gone with its machine. */
export const forgottenAfterMs = 600_000
/** Of a spool that comes back later it would not be known what of it was shipped. */
const rememberedFor = sql`interval '400 days'`

/**
 * Forgets the spools that were silent for `forgottenAfterMs`: what is complete does not wait for them any more, but their records count as
 * lost until they are heard of again. Only for who has itself been heard of all that time: after an outage everybody looks silent.
 */
export async function forgetSilentSpools(db: Db): Promise<void> {
  const silentSince = sql<Date>`now() - ${`${forgottenAfterMs} milliseconds`}::interval`
  await db
    .updateTable('usage_progress')
    .set({ forgotten_at: sql<Date>`now()` })
    .where('forgotten_at', 'is', null)
    .where('reported_at', '<', silentSince)
    .execute()
  await sql`delete from usage_progress where reported_at < now() - ${rememberedFor}`.execute(db)
  await sql`delete from usage_run where updated_at < now() - ${rememberedFor}`.execute(db)
}

/** Forgets the spool of a gateway at once, as an operator says: it will not come back. If somebody has its folder, that is heard of soon. */
export async function forgetUsageOfGateway(db: Db, gatewayId: string): Promise<void> {
  await db
    .updateTable('usage_progress')
    .set({ forgotten_at: sql<Date>`coalesce(forgotten_at, now())` })
    .where(
      'spool_id',
      'in',
      db
        .selectFrom('gateway')
        .select(sql<string>`spool_id`.as('spool_id'))
        .where('id', '=', gatewayId),
    )
    .execute()
}

/**
 * The instant before which usage is complete: no gateway holds a record of a request that ended earlier. A gateway that
 * died holds it back until it is there again, or forgotten.
 */
export async function findCompleteUntil(db: Db): Promise<Date> {
  const { complete_until } = await db
    .selectFrom('usage_progress')
    .where('forgotten_at', 'is', null)
    .select(completeUntil().as('complete_until'))
    .executeTakeFirstOrThrow()
  return complete_until
}

/** A gateway's clock may be ahead. */
function completeUntil(): RawBuilder<Date> {
  return sql<Date>`date_trunc('milliseconds', least(now(), min(complete_until)))`
}

/**
 * Requests that ended in `[from, to)` and whose records are lost, as far as that is known: those that were counted, and those that a
 * forgotten gateway had not shipped when it was last heard of.
 */
export async function countLostRequests(db: Db, from: Date, to: Date): Promise<number> {
  const { rows } = await sql<{ lost: number }>`
    select (
      (select coalesce(sum(requests), 0) from usage_loss where minute >= date_bin('1 minute', ${from}::timestamptz, '2000-01-01Z')
        and minute < ${to})
      + (select coalesce(sum(pending), 0) from usage_progress where forgotten_at is not null and complete_until < ${to}
        and reported_at >= ${from})
    )::bigint as lost
  `.execute(db)
  return rows[0]!.lost
}

/** Of all gateways, since ever. */
export async function countAllLostRequests(db: Db): Promise<number> {
  return await countLostRequests(db, new Date('1970-01-01T00:00:00Z'), new Date('9999-01-01T00:00:00Z'))
}

/** How a gateway's usage is. */
export interface SpoolStatus {
  readonly completeUntil: Date
  /** Over restarts. */
  readonly lost: number
}

/** By spool id. A spool that nobody reports has nothing to ship: it is complete until now. */
export async function listSpoolStatus(db: Db, spoolIds: readonly string[]): Promise<Map<string, SpoolStatus>> {
  const { rows } = await sql<{ spool_id: string; complete_until: Date; lost: number }>`
    select spool_id, date_trunc('milliseconds', least(now(), progress.complete_until)) as complete_until,
      (select coalesce(sum(requests), 0)::bigint from usage_loss where usage_loss.spool_id = asked.spool_id) as lost
    from unnest(${spoolIds}::text[]) as asked (spool_id) left join usage_progress as progress using (spool_id)
  `.execute(db)
  return new Map(rows.map(({ spool_id, complete_until, lost }) => [spool_id, { completeUntil: complete_until, lost }]))
}
