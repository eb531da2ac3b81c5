import { findRateLimitForUpdate, type RateLimitDraft } from '../../storage/limit/write.ts'
import type { Change, EditInput } from '../change/commit.ts'
import { refuseInput } from '../kit/refusal.ts'
import { requireRevision } from '../change/require-revision.ts'

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
