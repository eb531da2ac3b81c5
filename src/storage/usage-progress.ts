import { type RawBuilder, sql } from 'kysely'
import type { Db } from './database.ts'

/** What a gateway says about its spool. */
export interface UsageProgress {
  readonly spoolId: string
  /** Every request that ended here before this instant is in the database. */
  readonly completeUntilMs: number
  /** Records that are not yet in the database. */
  readonly pending: number
  /** Records that could be kept nowhere. */
  readonly lost: number
}

// A spool that was not heard of for so long went away with its machine, and what it held is beyond the retention anyway.
const forgottenAfter = sql`interval '30 days'`

/** Say so at the start, before any request is served, and then about every second. */
export async function reportUsageProgress(db: Db, progress: UsageProgress): Promise<void> {
  const row = {
    spool_id: progress.spoolId,
    complete_until: new Date(progress.completeUntilMs),
    pending: progress.pending,
    lost: progress.lost,
    reported_at: sql<Date>`now()`,
  }
  await db
    .insertInto('usage_progress')
    .values(row)
    .onConflict((conflict) => conflict.column('spool_id').doUpdateSet(row))
    .execute()
}

/** For a gateway that stops for good, with nothing left to ship: nobody waits for it. */
export async function deleteUsageProgress(db: Db, spoolId: string): Promise<void> {
  await db.deleteFrom('usage_progress').where('spool_id', '=', spoolId).where('pending', '=', 0).execute()
}

/** For spools whose records another one has taken over and reported: nobody waits for them. */
export async function deleteAdoptedProgress(db: Db, spoolIds: readonly string[]): Promise<void> {
  if (spoolIds.length > 0) await db.deleteFrom('usage_progress').where('spool_id', 'in', spoolIds).execute()
}

/**
 * The instant before which usage is complete: no gateway holds a record of a request that ended earlier. A gateway that
 * died holds it back until it is there again.
 */
export async function findCompleteUntil(db: Db): Promise<Date> {
  const { complete_until } = await db
    .selectFrom('usage_progress')
    .where('reported_at', '>', sql<Date>`now() - ${forgottenAfter}`)
    .select(completeUntil().as('complete_until'))
    .executeTakeFirstOrThrow()
  return complete_until
}

/** A gateway's clock may be ahead. */
function completeUntil(): RawBuilder<Date> {
  return sql<Date>`date_trunc('milliseconds', least(now(), min(complete_until)))`
}
