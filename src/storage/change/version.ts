import { sql } from 'kysely'
import type { VersionId } from '../config/history.ts'
import { subjectKindOf } from '../../routing/config/subject-kind.ts'
import type { Db, Tx } from '../database/db.ts'

/** A version that has just been made. */
export interface NextVersion extends VersionId {
  readonly committedAt: Date
  /** The token of the version before; null if it is not known. */
  readonly previousToken: string | null
}

/**
 * Counts a change, and notifies the gateways when it is committed: its version, its token, and the kinds of changed objects, so that
 * they know what to read. The database creates the token. From here to the end of the transaction no other change can commit, so call
 * it last.
 */
export async function advanceConfigVersion(
  tx: Tx,
  actorId: string,
  subjectIds: readonly string[],
): Promise<NextVersion> {
  const kinds = [...new Set(subjectIds.map(subjectKindOf))].join(',')
  const { rows } = await sql<NextVersion>`
    with next as (
      update config_version set version = version + 1, committed_at = clock_timestamp()
      returning version, token, committed_at
    ), change as (
      insert into config_change (version, token, committed_at, actor_id, subject_ids)
      select version, token, committed_at, ${actorId}, ${subjectIds}::text[] from next
    )
    select version, token, committed_at as "committedAt",
      (select token from config_change where config_change.version = next.version - 1) as "previousToken",
      pg_notify('signalbox_config', concat_ws(' ', version, token, ${kinds}::text))
    from next`.execute(tx)
  const { version, token, committedAt, previousToken } = rows[0]!
  return { version, token, committedAt, previousToken }
}

/** The latest committed version and when it was committed. */
export function getConfigVersion(db: Db): Promise<VersionId & { readonly committed_at: Date }> {
  return db.selectFrom('config_version').select(['version', 'token', 'committed_at']).executeTakeFirstOrThrow()
}

/**
 * Prevents other changes from committing until this transaction ends, for changes that must see all earlier ones. Returns the version
 * and the database's current time.
 */
export async function lockConfigVersion(tx: Tx): Promise<{ version: number; at: Date }> {
  return tx
    .selectFrom('config_version')
    .select((eb) => ['version', eb.fn<Date>('clock_timestamp').as('at')])
    .forUpdate()
    .executeTakeFirstOrThrow()
}
