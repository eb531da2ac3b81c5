import type { RateLimit } from '../../routing/limits/limit.ts'
import { isAmong } from '../database/among.ts'
import type { Tx } from '../database/db.ts'
import { rateLimitOf } from './load.ts'
import { subjectColumns } from './subject.ts'

/** What an operator can change of a rate limit. */
export interface RateLimitDraft extends RateLimit {
  readonly revision: number
}

/** The rate limit, locked until the end of the transaction. */
export async function findRateLimitForUpdate(tx: Tx, id: string): Promise<RateLimitDraft | undefined> {
  const row = await tx.selectFrom('rate_limit').selectAll().where('id', '=', id).forUpdate().executeTakeFirst()
  return row && { ...rateLimitOf(row), revision: row.revision }
}

/** The rate limits of these subjects, locked until the end of the transaction. */
export async function lockRateLimitsOf(tx: Tx, subjectIds: readonly string[]): Promise<RateLimitDraft[]> {
  const rows = await tx
    .selectFrom('rate_limit')
    .selectAll()
    .where(isAmong('subject_id', subjectIds))
    .orderBy('id')
    .forUpdate()
    .execute()
  return rows.map((row) => ({ ...rateLimitOf(row), revision: row.revision }))
}

/** Writes a new rate limit. */
export async function insertRateLimit(tx: Tx, draft: RateLimitDraft): Promise<void> {
  await tx
    .insertInto('rate_limit')
    .values({ id: draft.id, ...subjectColumns(draft.subject), per: [...draft.per], ...changeableColumns(draft) })
    .execute()
}

/** Writes the changed rate limit as its next revision. */
export async function updateRateLimit(tx: Tx, draft: RateLimitDraft): Promise<void> {
  await tx
    .updateTable('rate_limit')
    .set((eb) => ({
      ...changeableColumns(draft),
      revision: eb('revision', '+', 1),
      updated_at: eb.fn('clock_timestamp'),
    }))
    .where('id', '=', draft.id)
    .execute()
}

export async function deleteRateLimits(tx: Tx, ids: readonly string[]): Promise<void> {
  await tx.deleteFrom('rate_limit').where(isAmong('id', ids)).execute()
}

function changeableColumns({ requestsPerMinute, tokensPerMinute, inFlight, burst, enforcement }: RateLimit) {
  return {
    requests_per_minute: requestsPerMinute,
    tokens_per_minute: tokensPerMinute,
    in_flight: inFlight,
    burst,
    enforcement,
  }
}
