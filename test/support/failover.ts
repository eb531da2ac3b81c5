import { sql } from 'kysely'
import type { Db } from '../../src/storage/database/db.ts'

/**
 * What a database has of its history after a failover that lost all commits after this version. The objects that they made or changed stay
 * as they are: put them back first.
 */
export async function loseCommitsAfter(db: Db, version: number): Promise<void> {
  await db.transaction().execute(async (tx) => {
    await sql`delete from config_change where version > ${version}`.execute(tx)
    await sql`update config_version set version = ${version}`.execute(tx)
    // A change of the number makes a token: the one that it had comes back after it.
    await sql`update config_version set (token, committed_at) =
      (select token, committed_at from config_change where config_change.version = ${version})`.execute(tx)
  })
}
