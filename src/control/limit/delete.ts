import { deleteRateLimits } from '../../storage/limit/write.ts'
import { commitChange, type EditInput } from '../change/commit.ts'
import type { Actor, Answer, ControlContext } from '../kit/context.ts'
import { lockRateLimit } from './lock.ts'
import { recordRateLimit } from './record.ts'

export interface RateLimitDeleteInput extends EditInput {
  readonly id: string
}

/** Removes a rate limit. The value is its id. */
export function removeRateLimit(
  control: ControlContext,
  actor: Actor,
  input: RateLimitDeleteInput,
): Promise<Answer<string>> {
  return commitChange(control, { actor, action: 'rateLimitDelete', input }, async (change) => {
    const rateLimit = await lockRateLimit(change, input)
    await deleteRateLimits(change.tx, [rateLimit.id])
    recordRateLimit(change, rateLimit, null)
    return rateLimit.id
  })
}
