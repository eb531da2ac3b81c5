import { builder } from '../schema/builder.ts'
import { createFields, editFields } from '../kit/change-fields.ts'
import { LimitDimension, LimitEnforcement } from './enums.ts'
import { LimitSubjectInput } from './subject.ts'

const boundDescriptions = {
  requestsPerMinute: 'Most requests per minute, 1 to 2^53 - 1; null: not bounded.',
  tokensPerMinute: 'Most input and output tokens per minute, 1 to 2^53 - 1; null: not bounded.',
  inFlight: 'Most requests at the same time, from 1; null: not bounded.',
  burst: 'Most requests that may arrive at once, 1 to 2^53 - 1; null: a tenth of the rate per minute, at least 1.',
}

export const RateLimitCreateInput = builder.inputType('RateLimitCreateInput', {
  description: 'A new rate limit, with at least one bound.',
  fields: (t) => ({
    subject: t.field({ type: LimitSubjectInput, required: true, description: 'The object to which it applies.' }),
    per: t.field({
      type: [LimitDimension],
      required: true,
      defaultValue: [],
      description: 'It is counted separately for each value of these; empty: all requests of the subject share it.',
    }),
    requestsPerMinute: t.field({ type: 'SafeInt', description: boundDescriptions.requestsPerMinute }),
    tokensPerMinute: t.field({ type: 'SafeInt', description: boundDescriptions.tokensPerMinute }),
    inFlight: t.int({ description: boundDescriptions.inFlight }),
    burst: t.field({ type: 'SafeInt', description: boundDescriptions.burst }),
    enforcement: t.field({
      type: LimitEnforcement,
      required: true,
      defaultValue: 'ENFORCE',
      description: 'What happens to a request that it has no room for.',
    }),
    ...createFields(t),
  }),
})

export const RateLimitUpdateInput = builder.inputType('RateLimitUpdateInput', {
  description:
    'Omitted fields stay as they are. The subject and `per` of a limit cannot be changed: create another limit instead.',
  fields: (t) => ({
    id: t.id({ required: true, description: 'Which rate limit.' }),
    requestsPerMinute: t.field({ type: 'SafeInt', description: boundDescriptions.requestsPerMinute }),
    tokensPerMinute: t.field({ type: 'SafeInt', description: boundDescriptions.tokensPerMinute }),
    inFlight: t.int({ description: boundDescriptions.inFlight }),
    burst: t.field({ type: 'SafeInt', description: boundDescriptions.burst }),
    enforcement: t.field({
      type: LimitEnforcement,
      description: 'What happens to a request that it has no room for.',
    }),
    ...editFields(t),
  }),
})

export const RateLimitDeleteInput = builder.inputType('RateLimitDeleteInput', {
  description: 'Deletes a rate limit. It refuses no request from then on.',
  fields: (t) => ({ id: t.id({ required: true, description: 'Which rate limit.' }), ...editFields(t) }),
})
