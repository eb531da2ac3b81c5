import type { UserConfiguration } from '../../routing/config/configuration.ts'
import type { Db, Tx } from '../database/db.ts'

/** What an operator can change of a user. */
export interface UserDraft extends UserConfiguration {
  readonly revision: number
}

/** The user, locked until the end of the transaction: nobody can give it a key or access meanwhile. */
export function findUserForUpdate(tx: Tx, id: string): Promise<UserDraft | undefined> {
  return tx
    .selectFrom('app_user')
    .select(['id', 'revision', 'name', 'role', 'state'])
    .where('id', '=', id)
    .forUpdate()
    .executeTakeFirst()
}

export function findUser(db: Db, id: string): Promise<UserDraft | undefined> {
  return db
    .selectFrom('app_user')
    .select(['id', 'revision', 'name', 'role', 'state'])
    .where('id', '=', id)
    .executeTakeFirst()
}

/** Writes a new user. */
export async function insertUser(tx: Tx, { id, name, role, state }: UserDraft): Promise<void> {
  await tx.insertInto('app_user').values({ id, name, role, state }).execute()
}

/** Writes the changed user as its next revision. */
export async function updateUser(tx: Tx, { id, name, role, state }: UserDraft): Promise<void> {
  await tx
    .updateTable('app_user')
    .set((eb) => ({ name, role, state, revision: eb('revision', '+', 1), updated_at: eb.fn('clock_timestamp') }))
    .where('id', '=', id)
    .execute()
}

/** Deletes a user with its keys, and takes both out of the access of routes. */
export async function deleteUser(tx: Tx, id: string): Promise<void> {
  await tx.deleteFrom('app_user').where('id', '=', id).execute()
}

/** Ids of the active administrators, oldest first. */
export async function listActiveAdministrators(db: Db): Promise<string[]> {
  const rows = await db
    .selectFrom('app_user')
    .select('id')
    .where('role', '=', 'ADMIN')
    .where('state', '=', 'ACTIVE')
    .orderBy('id')
    .execute()
  return rows.map((row) => row.id)
}

export async function hasUsers(db: Db): Promise<boolean> {
  return (await db.selectFrom('app_user').select('id').limit(1).executeTakeFirst()) !== undefined
}

/** Ids of the routes whose access lists this user or a key of it. */
export async function listRouteIdsWithAccessOf(db: Db, userId: string): Promise<string[]> {
  const rows = await db
    .selectFrom('route_access_user')
    .select('route_id')
    .where('user_id', '=', userId)
    .union(
      db
        .selectFrom('route_access_api_key')
        .innerJoin('api_key', 'api_key.id', 'route_access_api_key.api_key_id')
        .select('route_id')
        .where('api_key.owner_id', '=', userId),
    )
    .orderBy('route_id')
    .execute()
  return rows.map((row) => row.route_id)
}

/** The active administrator of this name, or else the oldest; undefined if there is none. */
export async function findAdministratorId(db: Db, preferredName: string): Promise<string | undefined> {
  const row = await db
    .selectFrom('app_user')
    .select('id')
    .where('role', '=', 'ADMIN')
    .where('state', '=', 'ACTIVE')
    .orderBy((eb) => eb('name', '=', preferredName), 'desc')
    .orderBy('id')
    .limit(1)
    .executeTakeFirst()
  return row?.id
}
