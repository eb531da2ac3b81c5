import { builder } from '../schema/builder.ts'
import { RequestOutcome } from './enums.ts'
import { badUserInput } from '../kit/fault.ts'

export const TimeRangeInput = builder.inputType('TimeRangeInput', {
  description: 'The interval `[from, to)`.',
  fields: (t) => ({
    from: t.field({ type: 'DateTime', description: 'The first instant.', required: true }),
    to: t.field({ type: 'DateTime', description: 'Null or omitted: now.' }),
  }),
})

export const reversedRange = 'The range ends before it begins.'

/**
 * Throws `BAD_USER_INPUT` for a range that ends before it begins. One without an end never does: whoever asks for what has come
 * since then may have a clock that is ahead.
 */
export function requireForwards({ from, to }: { readonly from: Date; readonly to?: Date | null | undefined }): void {
  if (to && from > to) throw badUserInput(reversedRange)
}

export const UsageFilterInput = builder.inputType('UsageFilterInput', {
  description: 'Fields combine with AND, the values of one field with OR.',
  fields: (t) => ({
    routeIds: t.field({ type: ['ID'], description: 'Of these routes.' }),
    targetIds: t.field({ type: ['ID'], description: 'Of these targets.' }),
    backendIds: t.field({ type: ['ID'], description: 'Of these provider models and deployments.' }),
    providerIds: t.field({ type: ['ID'], description: 'Of these providers.' }),
    deploymentIds: t.field({ type: ['ID'], description: 'Of these deployments.' }),
    apiKeyIds: t.field({ type: ['ID'], description: 'By these keys.' }),
    userIds: t.field({ type: ['ID'], description: 'By keys of these users.' }),
    outcomes: t.field({ type: [RequestOutcome], description: 'That ended so.' }),
    stream: t.boolean({ description: 'Only streamed requests, or only others.' }),
    operations: t.field({ type: ['String'], description: 'At these endpoints, e.g. `/v1/chat/completions`.' }),
    statuses: t.field({
      type: ['Int'],
      description: 'With these statuses. Like the next three it is known of single requests, while they are kept.',
    }),
    errorCodes: t.field({ type: ['String'], description: 'With these error codes.' }),
    requestedModels: t.field({ type: ['String'], description: 'With these names as `model`.' }),
    retried: t.boolean({ description: 'Whether more than one attempt was made.' }),
  }),
})
