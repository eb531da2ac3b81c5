import { isDeepStrictEqual } from 'node:util'
import type { LimitEnforcement } from '../../routing/limits/limit.ts'
import { updateRateLimit as writeRateLimit } from '../../storage/limit/write.ts'
import { commitChange, type EditInput } from '../change/commit.ts'
import type { Actor, Answer, ControlContext } from '../kit/context.ts'
import { requireBounds } from './bounds.ts'
import type { RateBoundsInput } from './create.ts'
import { lockRateLimit } from './lock.ts'
import { recordRateLimit } from './record.ts'

/** Bounds that are omitted stay; null: not bounded. */
export interface RateLimitUpdateInput extends EditInput, RateBoundsInput {
  readonly id: string
  readonly enforcement?: LimitEnforcement | null | undefined
}

/** Changes the given members; the subject and the dimensions stay. The value is the rate limit's id. */
export function updateRateLimit(
  control: ControlContext,
  actor: Actor,
  input: RateLimitUpdateInput,
): Promise<Answer<string>> {
  return commitChange(control, { actor, action: 'rateLimitUpdate', input }, async (change) => {
    const before = await lockRateLimit(change, input)
    const bounds = requireBounds({
      requestsPerMinute: withDefault(input.requestsPerMinute, before.requestsPerMinute),
      tokensPerMinute: withDefault(input.tokensPerMinute, before.tokensPerMinute),
      inFlight: withDefault(input.inFlight, before.inFlight),
      burst: withDefault(input.burst, before.burst),
    })
    const after = { ...before, ...bounds, enforcement: input.enforcement ?? before.enforcement }
    if (isDeepStrictEqual(before, after)) return before.id
    await writeRateLimit(change.tx, after)
    recordRateLimit(change, before, after)
    return before.id
  })
}

function withDefault<T>(given: T | undefined, before: T): T {
  return given === undefined ? before : given
}
