import { sql } from 'kysely'
import type { VersionId } from '../config/history.ts'
import type { Db } from '../database/db.ts'

/** A version of the configuration, and the change that made it. */
export interface ConfigChangeRow extends VersionId {
  readonly committedAt: Date
  /** Null for version 0, which no change created. */
  readonly actorId: string | null
  readonly subjectIds: readonly string[]
}

/** The version after which changes are read. */
export interface ChangeBase {
  readonly version: number
  /** Null if unknown: then any version with this number is accepted. */
  readonly token: string | null
}

/** The latest committed version. */
export async function getLatestChange(db: Db): Promise<ConfigChangeRow> {
  const { rows } = await sql<ConfigChangeRow>`
    select config_version.version, config_version.token, config_version.committed_at as "committedAt",
      actor_id as "actorId", coalesce(subject_ids, '{}') as "subjectIds"
    from config_version left join config_change on config_change.version = config_version.version`.execute(db)
  return rows[0]!
}

/** The version with this number as the database has it; undefined for version 0, and if it is not kept any more. */
export async function findVersion(db: Db, version: number): Promise<VersionId | undefined> {
  return db.selectFrom('config_change').select(['version', 'token']).where('version', '=', version).executeTakeFirst()
}

/**
 * The changes after `base`, in order and without a gap, at most `limit` of them. Undefined: the database has another history than `base`,
 * because it was restored or a failover has lost commits, or it does not keep these changes any more.
 */
export async function listChangesAfter(
  db: Db,
  base: ChangeBase,
  limit: number,
): Promise<readonly ConfigChangeRow[] | undefined> {
  const { rows } = await sql<ConfigChangeRow & { readonly latestVersion: number; readonly latestToken: string }>`
    select config_version.version as "latestVersion", config_version.token as "latestToken",
      kept.version, kept.token, kept.committed_at as "committedAt", kept.actor_id as "actorId", kept.subject_ids as "subjectIds"
    from config_version left join (
      select * from config_change where version >= ${base.version} order by version limit ${limit + 1}
    ) as kept on true
    order by kept.version`.execute(db)
  const { latestVersion, latestToken } = rows[0]!
  const kept = rows.filter(({ version }) => version !== null)
  const isBaseKept = kept[0]?.version === base.version
  const own = isBaseKept ? kept[0]! : { version: latestVersion, token: latestToken }
  // Version 0 is empty in every history.
  const isAnyHistory = base.token === null || base.version === 0
  const isKnown = isAnyHistory || (own.version === base.version && own.token === base.token)
  const changes = isBaseKept ? kept.slice(1) : kept
  const isWhole = changes.length > 0 ? changes[0]!.version === base.version + 1 : latestVersion === base.version
  return isKnown && isWhole ? changes.slice(0, limit) : undefined
}
