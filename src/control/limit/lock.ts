import { findRateLimitForUpdate, type RateLimitDraft } from '../../storage/limit/write.ts'
import type { Change, EditInput } from '../commit-change.ts'
import { refuseInput } from '../refusal.ts'
import { requireRevision } from '../revision.ts'

/** The rate limit, locked. Throws if there is none, or if it has another revision than the caller expects. */
export async function lockRateLimit(
  change: Change,
  { id, expectedRevision }: EditInput & { readonly id: string },
): Promise<RateLimitDraft> {
  const rateLimit = await findRateLimitForUpdate(change.tx, id)
  if (!rateLimit) throw refuseInput('NOT_FOUND', ['input', 'id'], 'There is no such rate limit.')
  requireRevision(rateLimit, expectedRevision)
  return rateLimit
}
