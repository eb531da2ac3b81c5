import type { Db } from './db.ts'

/** The ids for which a user exists. */
export async function listExistingUserIds(db: Db, ids: readonly string[]): Promise<string[]> {
  if (ids.length === 0) return []
  const rows = await db.selectFrom('app_user').select('id').where('id', 'in', ids).execute()
  return rows.map((row) => row.id)
}

/** The ids for which an API key exists. */
export async function listExistingApiKeyIds(db: Db, ids: readonly string[]): Promise<string[]> {
  if (ids.length === 0) return []
  const rows = await db.selectFrom('api_key').select('id').where('id', 'in', ids).execute()
  return rows.map((row) => row.id)
}

/** The ids for which a route exists. */
export async function listExistingRouteIds(db: Db, ids: readonly string[]): Promise<string[]> {
  if (ids.length === 0) return []
  const rows = await db.selectFrom('route').select('id').where('id', 'in', ids).execute()
  return rows.map((row) => row.id)
}
