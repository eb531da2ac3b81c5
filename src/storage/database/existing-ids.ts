import type { Db } from './db.ts'

/** Those of these ids that users have. */
export async function listExistingUserIds(db: Db, ids: readonly string[]): Promise<string[]> {
  if (ids.length === 0) return []
  const rows = await db.selectFrom('app_user').select('id').where('id', 'in', ids).execute()
  return rows.map((row) => row.id)
}

/** Those of these ids that API keys have. */
export async function listExistingApiKeyIds(db: Db, ids: readonly string[]): Promise<string[]> {
  if (ids.length === 0) return []
  const rows = await db.selectFrom('api_key').select('id').where('id', 'in', ids).execute()
  return rows.map((row) => row.id)
}

/** Those of these ids that routes have. */
export async function listExistingRouteIds(db: Db, ids: readonly string[]): Promise<string[]> {
  if (ids.length === 0) return []
  const rows = await db.selectFrom('route').select('id').where('id', 'in', ids).execute()
  return rows.map((row) => row.id)
}
