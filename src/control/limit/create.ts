import type { LimitDimension, LimitEnforcement } from '../../routing/limits/limit.ts'
import { createId } from '../../storage/database/create-id.ts'
import { insertRateLimit, type RateLimitDraft } from '../../storage/limit/write.ts'
import { FaultCollector } from '../kit/collect-faults.ts'
import { type Change, commitChange, type CreateInput } from '../change/commit.ts'
import type { Actor, Answer, ControlContext } from '../kit/context.ts'
import { makeOnce } from '../change/idempotency.ts'
import { type RateBounds, requireBounds } from './bounds.ts'
import { recordRateLimit } from './record.ts'
import { type LimitSubjectInput, requireDimensions, resolveLimitSubject } from '../limit-subject/resolve.ts'

/** Bounds that are omitted or null: not bounded. */
export type RateBoundsInput = { readonly [Name in keyof RateBounds]?: number | null | undefined }

export interface RateLimitCreateInput extends CreateInput, RateBoundsInput {
  readonly subject: LimitSubjectInput
  readonly per?: readonly LimitDimension[]
  readonly enforcement?: LimitEnforcement
}

/** Makes a rate limit. The value is its id. */
export function createRateLimit(
  control: ControlContext,
  actor: Actor,
  input: RateLimitCreateInput,
): Promise<Answer<string>> {
  return commitChange(control, { actor, action: 'rateLimitCreate', input }, async (change) => {
    const { rateLimitId } = await makeOnce(change, input, 'rateLimitId', async () => {
      const draft = await draftRateLimit(change, input)
      await insertRateLimit(change.tx, draft)
      recordRateLimit(change, null, draft)
      return { rateLimitId: draft.id }
    })
    return rateLimitId
  })
}

async function draftRateLimit(change: Change, input: RateLimitCreateInput): Promise<RateLimitDraft> {
  const { requestsPerMinute = null, tokensPerMinute = null, inFlight = null, burst = null } = input
  const faults = new FaultCollector()
  const subject = await faults.attemptAsync(() => resolveLimitSubject(change, input.subject, ['input', 'subject']))
  const per = faults.attempt(() => requireDimensions(input.per ?? [], ['input', 'per']))
  const bounds = faults.attempt(() => requireBounds({ requestsPerMinute, tokensPerMinute, inFlight, burst }))
  faults.throwAny()
  return {
    id: createId('RateLimit'),
    revision: 1,
    subject: subject!,
    per: per!,
    ...bounds!,
    enforcement: input.enforcement ?? 'ENFORCE',
  }
}
