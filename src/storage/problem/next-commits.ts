import { sql } from 'kysely'
import type { Db } from '../database/db.ts'

/**
 * When the first change after each of these versions was committed, in milliseconds since the epoch; left out where there is none, or
 * where it is not kept any more.
 */
export async function listNextCommits(db: Db, versions: readonly number[]): Promise<ReadonlyMap<number, number>> {
  if (versions.length === 0) return new Map()
  const { rows } = await sql<{ version: number; at: number }>`
    select version - 1 as version, extract(epoch from committed_at)::float8 * 1000 as at
    from config_change where version = any(${versions.map((version) => version + 1)}::bigint[])`.execute(db)
  return new Map(rows.map(({ version, at }) => [version, at]))
}
