import { sql } from 'kysely'
import type { DelayedSpool } from '../../routing/problems/problem-facts.ts'
import type { Db } from '../database/db.ts'

const maxSpools = 100

/** The spools whose usage older than `delayMs` is not in the database, latest first, without forgotten ones. */
export async function listDelayedSpools(db: Db, delayMs: number): Promise<DelayedSpool[]> {
  const { rows } = await sql<DelayedSpool>`
    select spool_id as "spoolId", pending, extract(epoch from complete_until)::float8 * 1000 as "completeUntilMs",
      reported_at > now() - interval '15 seconds' as "isReporting",
      (select host from gateway where gateway.spool_id = usage_progress.spool_id order by seen_at desc limit 1) as host
    from usage_progress
    where forgotten_at is null and complete_until < now() - ${`${delayMs} milliseconds`}::interval
    order by complete_until, spool_id
    limit ${maxSpools}`.execute(db)
  return rows
}
