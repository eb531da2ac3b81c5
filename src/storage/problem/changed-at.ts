import { sql } from 'kysely'
import type { Db } from '../database/db.ts'

const versionedTables = ['route', 'deployment', 'provider', 'api_key', 'budget'] as const

/** When these routes, deployments, providers, API keys and budgets were last changed, in milliseconds since the epoch, by id. One statement. */
export async function listChangedAt(db: Db, ids: readonly string[]): Promise<ReadonlyMap<string, number>> {
  if (ids.length === 0) return new Map()
  const selects = versionedTables.map(
    (table) =>
      sql`select id::text, extract(epoch from updated_at)::float8 * 1000 as at from ${sql.table(table)} where id = any(${ids}::text[])`,
  )
  const { rows } = await sql<{ id: string; at: number }>`${sql.join(selects, sql` union all `)}`.execute(db)
  return new Map(rows.map(({ id, at }) => [id, at]))
}
