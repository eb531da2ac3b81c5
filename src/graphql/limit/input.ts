import { builder } from '../schema/builder.ts'
import { createFields, editFields } from '../kit/change-fields.ts'
import { LimitDimension, LimitEnforcement } from './enums.ts'
import { LimitSubjectInput } from './subject.ts'

const boundDescriptions = {
  requestsPerMinute: '1 to 2^53 - 1; null: not bounded.',
  tokensPerMinute: 'Input and output, 1 to 2^53 - 1; null: not bounded.',
  inFlight: 'Requests at the same time, from 1; null: not bounded.',
  burst: "Most that may come at once, 1 to 2^53 - 1; null: a tenth of a minute's worth, at least 1.",
}

export const RateLimitCreateInput = builder.inputType('RateLimitCreateInput', {
  description: 'A new rate limit: of its bounds at least one.',
  fields: (t) => ({
    subject: t.field({ type: LimitSubjectInput, required: true, description: 'What it is about.' }),
    per: t.field({
      type: [LimitDimension],
      required: true,
      defaultValue: [],
      description: 'Counted apart for each of these; empty: all requests of the subject share it.',
    }),
    requestsPerMinute: t.field({ type: 'SafeInt', description: boundDescriptions.requestsPerMinute }),
    tokensPerMinute: t.field({ type: 'SafeInt', description: boundDescriptions.tokensPerMinute }),
    inFlight: t.int({ description: boundDescriptions.inFlight }),
    burst: t.field({ type: 'SafeInt', description: boundDescriptions.burst }),
    enforcement: t.field({
      type: LimitEnforcement,
      required: true,
      defaultValue: 'ENFORCE',
      description: 'What becomes of a request that it has no room for.',
    }),
    ...createFields(t),
  }),
})

export const RateLimitUpdateInput = builder.inputType('RateLimitUpdateInput', {
  description: 'Omitted fields stay as they are. Subject and `per` of a limit never change: make another one.',
  fields: (t) => ({
    id: t.id({ required: true, description: 'Which rate limit.' }),
    requestsPerMinute: t.field({ type: 'SafeInt', description: boundDescriptions.requestsPerMinute }),
    tokensPerMinute: t.field({ type: 'SafeInt', description: boundDescriptions.tokensPerMinute }),
    inFlight: t.int({ description: boundDescriptions.inFlight }),
    burst: t.field({ type: 'SafeInt', description: boundDescriptions.burst }),
    enforcement: t.field({
      type: LimitEnforcement,
      description: 'What becomes of a request that it has no room for.',
    }),
    ...editFields(t),
  }),
})

export const RateLimitDeleteInput = builder.inputType('RateLimitDeleteInput', {
  description: 'From then on nothing is bounded by it.',
  fields: (t) => ({ id: t.id({ required: true, description: 'Which rate limit.' }), ...editFields(t) }),
})
