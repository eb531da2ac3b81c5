import type { Selectable } from 'kysely'
import type { Db } from '../database/db.ts'
import type { Tables } from '../database/tables.ts'

export type ConfigChangeRow = Selectable<Tables['config_change']>

/** The changes after version `since`, in order, at most `limit` of them. */
export function listConfigChanges(db: Db, since: number, limit: number): Promise<ConfigChangeRow[]> {
  return db
    .selectFrom('config_change')
    .selectAll()
    .where('version', '>', since)
    .orderBy('version')
    .limit(limit)
    .execute()
}

/** The change that made this version; undefined for version 0, and if it is not kept any more. */
export function findConfigChange(db: Db, version: number): Promise<ConfigChangeRow | undefined> {
  return db.selectFrom('config_change').selectAll().where('version', '=', version).executeTakeFirst()
}
