import type { VersionId } from './configuration.ts'
import type { Db, Tx } from './database.ts'

/**
 * Counts a change and returns its version, whose token the database makes. From here to the end of the transaction no other change can commit, so do it
 * last.
 */
export async function advanceConfigVersion(
  tx: Tx,
  actorId: string,
  subjectIds: readonly string[],
): Promise<VersionId & { readonly committedAt: Date }> {
  const { version, token, committed_at } = await tx
    .updateTable('config_version')
    .set((eb) => ({ version: eb('version', '+', 1), committed_at: eb.fn('clock_timestamp') }))
    .returning(['version', 'token', 'committed_at'])
    .executeTakeFirstOrThrow()
  await tx
    .insertInto('config_change')
    .values({ version, committed_at, actor_id: actorId, subject_ids: [...subjectIds] })
    .execute()
  return { version, token, committedAt: committed_at }
}

/** The latest committed version and when it was committed. */
export function getConfigVersion(db: Db): Promise<VersionId & { readonly committed_at: Date }> {
  return db.selectFrom('config_version').select(['version', 'token', 'committed_at']).executeTakeFirstOrThrow()
}

/**
 * From here to the end of the transaction no other change can commit: for changes that must see all that went before. Returns
 * the version, and the instant as the database has it.
 */
export async function lockConfigVersion(tx: Tx): Promise<{ version: number; at: Date }> {
  return tx
    .selectFrom('config_version')
    .select((eb) => ['version', eb.fn<Date>('clock_timestamp').as('at')])
    .forUpdate()
    .executeTakeFirstOrThrow()
}
