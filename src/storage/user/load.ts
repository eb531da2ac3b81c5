import type { UserConfiguration } from '../../routing/config/configuration.ts'
import type { Db } from '../database/db.ts'
import { type Ids, amongIds } from '../database/among.ts'

export function loadUsers(db: Db, ids?: readonly string[]): Promise<UserConfiguration[]> {
  return selectUsers(db, ids).execute()
}

export function selectUsers(db: Db, ids: Ids) {
  return db
    .selectFrom('app_user')
    .select(['id', 'name', 'role', 'state'])
    .where(amongIds('app_user.id', ids))
    .orderBy('id')
}
