import type { Selectable } from 'kysely'
import { isAmong } from '../database/among.ts'
import type { Db } from '../database/db.ts'
import { byField, type ObjectOrder, type Page, type PageRequest, readPage } from '../database/page.ts'
import { isRef, type Ref } from '../database/ref.ts'
import { containsText } from '../database/search.ts'
import type { Tables } from '../database/tables.ts'

export type UserRow = Selectable<Tables['app_user']>

export interface UserFilter {
  /** Part of the name, whatever its case. */
  readonly search: string | null
}

/** One page of the users. */
export function listUsers(
  db: Db,
  filter: UserFilter,
  order: ObjectOrder,
  request: PageRequest,
): Promise<Page<UserRow>> {
  return readPage(matching(db, filter).selectAll('app_user'), byField('app_user', order), request)
}

export async function countUsers(db: Db, filter: UserFilter): Promise<number> {
  const row = await matching(db, filter)
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow()
  return row.count
}

function matching(db: Db, { search }: UserFilter) {
  return db.selectFrom('app_user').$if(search !== null, (query) => query.where(containsText('app_user.name', search!)))
}

export function findUserByRef(db: Db, ref: Ref): Promise<UserRow | undefined> {
  return db.selectFrom('app_user').selectAll().where(isRef(ref)).executeTakeFirst()
}

export function listUsersByIds(db: Db, ids: readonly string[]): Promise<UserRow[]> {
  return db.selectFrom('app_user').selectAll().where(isAmong('id', ids)).execute()
}

/** The users whom these routes list in their access, in order of creation. */
export function listAccessUsers(db: Db, routeIds: readonly string[]): Promise<(UserRow & { route_id: string })[]> {
  return db
    .selectFrom('route_access_user')
    .innerJoin('app_user', 'app_user.id', 'route_access_user.user_id')
    .selectAll('app_user')
    .select('route_access_user.route_id')
    .where(isAmong('route_access_user.route_id', routeIds))
    .orderBy('app_user.id')
    .execute()
}
