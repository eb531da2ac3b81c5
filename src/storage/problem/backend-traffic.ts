import { sql } from 'kysely'
import type { Db } from '../database/db.ts'

/** Facts about a backend from the sums of the last 30 days. Instants are milliseconds since the epoch. */
export interface BackendTraffic {
  /** The hour of the first request that it served without a price; null: there was none. */
  readonly unpricedSinceMs: number | null
  /** When the last request ended that it served; null: there was none. */
  readonly answeredAtMs: number | null
}

/** Of those of these backends that had requests, by id. One statement. */
export async function listBackendTraffic(
  db: Db,
  backendIds: readonly string[],
): Promise<ReadonlyMap<string, BackendTraffic>> {
  if (backendIds.length === 0) return new Map()
  const { rows } = await sql<BackendTraffic & { backend_id: string }>`
    select about.backend_id,
      extract(epoch from min(sums.bucket) filter (where sums.cost is null))::float8 * 1000 as "unpricedSinceMs",
      max(sums.last_ended_ms)::float8 as "answeredAtMs"
    from usage_dimension as about join usage_rollup as sums on sums.dimension = about.key
    where about.level = 'SERVICE' and about.backend_id = any(${backendIds}::text[]) and about.outcome in ('OK', 'OK_BY_FALLBACK')
      and sums.layer = 4 and sums.bucket > now() - interval '30 days'
    group by about.backend_id`.execute(db)
  return new Map(rows.map(({ backend_id, ...traffic }) => [backend_id, traffic]))
}
