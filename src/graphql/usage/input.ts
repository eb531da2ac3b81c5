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
 * Throws `BAD_USER_INPUT` for a range that ends before it begins. A range without an end is always accepted, because the clock of the
 * caller may be ahead.
 */
export function requireForwards({ from, to }: { readonly from: Date; readonly to?: Date | null | undefined }): void {
  if (to && from > to) throw badUserInput(reversedRange)
}

export const UsageFilterInput = builder.inputType('UsageFilterInput', {
  description: 'Fields combine with AND, the values of one field with OR.',
  fields: (t) => ({
    routeIds: t.field({ type: ['ID'], description: 'Requests to these routes.' }),
    targetIds: t.field({ type: ['ID'], description: 'Requests that these targets served, or were the last to try.' }),
    backendIds: t.field({
      type: ['ID'],
      description: 'Requests that these provider models and deployments served, or were the last to try.',
    }),
    providerIds: t.field({
      type: ['ID'],
      description: 'Requests that these providers served, or were the last to try.',
    }),
    deploymentIds: t.field({
      type: ['ID'],
      description: 'Requests that these deployments served, or were the last to try.',
    }),
    apiKeyIds: t.field({ type: ['ID'], description: 'Requests with these keys.' }),
    userIds: t.field({ type: ['ID'], description: 'Requests with keys of these users.' }),
    outcomes: t.field({ type: [RequestOutcome], description: 'Requests with these outcomes.' }),
    stream: t.boolean({ description: '`true`: only streamed requests; `false`: only others.' }),
    operations: t.field({ type: ['String'], description: 'Requests to these endpoints, e.g. `/v1/chat/completions`.' }),
    statuses: t.field({
      type: ['Int'],
      description:
        'Requests with these statuses. This field and the next three work only while the single requests are kept in the log.',
    }),
    errorCodes: t.field({ type: ['String'], description: 'Requests with these error codes.' }),
    requestedModels: t.field({ type: ['String'], description: 'Requests with these names as `model`.' }),
    retried: t.boolean({ description: 'Whether more than one attempt was made.' }),
  }),
})
