import { sql } from 'kysely'
import type { Db } from '../database/db.ts'

/** Versions that are kept regardless of age. A gateway that missed more than these reads the whole configuration instead. */
const minVersions = 10_000
/** Revisions of each route that are kept regardless of age. */
const minRevisions = 1_000
const minAge = sql`interval '720 hours'`

/**
 * Deletes changes of the configuration and revisions of routes that are older than 30 days, by the database's clock, and neither among the
 * newest 10,000 versions nor among the newest 1,000 revisions of their route. The latest version is never deleted.
 */
export async function pruneHistory(db: Db): Promise<{ changes: number; revisions: number }> {
  const changes = await sql`
    delete from config_change
    where version <= (select version from config_version) - ${minVersions}::bigint and committed_at < now() - ${minAge}`.execute(
    db,
  )
  const revisions = await sql`
    delete from route_revision where created_at < now() - ${minAge} and id in (
      select id from (
        select id, row_number() over (partition by route_id order by number desc) as place from route_revision
      ) as placed
      where place > ${minRevisions}::bigint)`.execute(db)
  return { changes: Number(changes.numAffectedRows ?? 0), revisions: Number(revisions.numAffectedRows ?? 0) }
}
