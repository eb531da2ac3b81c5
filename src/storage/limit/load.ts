import type { Selectable } from 'kysely'
import type { RateLimit } from '../../routing/limits/limit.ts'
import { amongIds } from '../database/among.ts'
import type { Db } from '../database/db.ts'
import { subjectOf } from './subject.ts'
import type { RateLimitTable } from './tables.ts'

/** Rate limits as they are configured; `ids` undefined: all. */
export async function loadRateLimits(db: Db, ids?: readonly string[]): Promise<RateLimit[]> {
  const rows = await db.selectFrom('rate_limit').selectAll().where(amongIds('id', ids)).orderBy('id').execute()
  return rows.map(rateLimitOf)
}

/** The configured members of a row. */
export function rateLimitOf(row: Selectable<RateLimitTable>): RateLimit {
  return {
    id: row.id,
    subject: subjectOf(row),
    per: row.per,
    requestsPerMinute: row.requests_per_minute,
    tokensPerMinute: row.tokens_per_minute,
    inFlight: row.in_flight,
    burst: row.burst,
    enforcement: row.enforcement,
  }
}
