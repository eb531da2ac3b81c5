import {
  getUsageReport,
  type UsageGroup,
  type UsageRefusal,
  type UsageReport,
  type UsageRow,
} from '../../storage/usage/report/report.ts'
import type { UsageMetrics } from '../../storage/usage/report/metrics.ts'
import { readsUsage } from '../kit/authorisation.ts'
import { loadBackend } from '../backend/type.ts'
import { builder } from '../schema/builder.ts'
import { RequestOutcome, UsageBucket, UsageDimension } from './enums.ts'
import { badUserInput } from '../kit/fault.ts'
import { PercentilesRef } from '../kit/percentiles.ts'
import { ApiKeyRef } from '../api-key/ref.ts'
import { DeploymentRef } from '../deployment/ref.ts'
import { ProviderRef } from '../provider/ref.ts'
import { RouteBackendRef } from '../backend/ref.ts'
import { RouteRef, RouteTargetRef } from '../route/ref.ts'
import { UserRef } from '../user/ref.ts'
import { isAnySelected } from '../kit/selected-fields.ts'
import { reversedRange, TimeRangeInput, UsageFilterInput } from './input.ts'
import { visibleUsage } from './visibility.ts'
import { isTimeZone } from '../../routing/limits/time-zone.ts'

const maxRows = 10_000
/** Rows of a usage report that cost as much as one object. */
const rowsPerCost = 20

const UsageMetricsRef = builder.objectRef<UsageMetrics>('UsageMetrics').implement({
  description: 'Sums over the requests of a bucket and group.',
  fields: (t) => ({
    requests: t.expose('requests', { type: 'SafeInt', description: 'Requests of clients.' }),
    attempts: t.expose('attempts', { type: 'SafeInt', description: 'Calls upstream.' }),
    failures: t.expose('failures', {
      type: 'SafeInt',
      description: 'Requests that ended neither `OK` nor `OK_BY_FALLBACK`.',
    }),
    fallbacks: t.expose('fallbacks', { type: 'SafeInt', description: 'Requests that the fallback served.' }),
    inputTokens: t.expose('inputTokens', { type: 'SafeInt', description: 'Input tokens.' }),
    cachedInputTokens: t.expose('cachedInputTokens', {
      type: 'SafeInt',
      description: 'Input tokens that were read from a cache; part of `inputTokens`.',
    }),
    cacheWriteTokens: t.expose('cacheWriteTokens', {
      type: 'SafeInt',
      description: 'Input tokens that were written to a cache; part of `inputTokens`.',
    }),
    outputTokens: t.expose('outputTokens', { type: 'SafeInt', description: 'Output tokens.' }),
    reasoningTokens: t.expose('reasoningTokens', {
      type: 'SafeInt',
      description: 'Output tokens for reasoning; part of `outputTokens`.',
    }),
    images: t.expose('images', { type: 'SafeInt', description: 'Generated images.' }),
    audioSeconds: t.exposeFloat('audioSeconds', { description: 'Seconds of audio that answers reported.' }),
    characters: t.expose('characters', { type: 'SafeInt', description: 'Characters that were converted to speech.' }),
    estimatedRequests: t.expose('estimatedRequests', {
      type: 'SafeInt',
      description: 'Requests with `ESTIMATED` tokens.',
    }),
    cost: t.expose('cost', { type: 'Decimal', nullable: true, description: 'USD; null if no request had a price.' }),
    firstByteMs: t.expose('firstByteMs', {
      type: PercentilesRef,
      nullable: true,
      description: 'Milliseconds to the first byte of the answer; null without requests.',
    }),
    durationMs: t.expose('durationMs', {
      type: PercentilesRef,
      nullable: true,
      description: 'Milliseconds to the end of the answer; null without requests.',
    }),
  }),
})

const UsageGroupRef = builder.objectRef<UsageGroup>('UsageGroup').implement({
  description:
    'The value of each dimension in `groupBy`; other fields are null. A deleted object is null too: `labels` still names it.',
  fields: (t) => ({
    labels: t.exposeStringList('labels', {
      description: 'Names at the time of the request, in the order of `groupBy`.',
    }),
    route: t.field({
      type: RouteRef,
      nullable: true,
      description: 'The route.',
      resolve: ({ routeId }, _args, { loaders }) => (routeId === null ? null : loaders.route.load(routeId)),
    }),
    routeRevision: t.exposeInt('routeRevision', { nullable: true, description: "The route's revision." }),
    target: t.field({
      type: RouteTargetRef,
      nullable: true,
      description: 'The target that served the request, or was tried last.',
      resolve: ({ targetId }, _args, { loaders }) => (targetId === null ? null : loaders.target.load(targetId)),
    }),
    backend: t.field({
      type: RouteBackendRef,
      nullable: true,
      description: 'The backend that served the request, or was tried last.',
      resolve: ({ backendId }, _args, context) => (backendId === null ? null : loadBackend(context, backendId)),
    }),
    provider: t.field({
      type: ProviderRef,
      nullable: true,
      description: 'The provider of that backend.',
      resolve: ({ providerId }, _args, { loaders }) => (providerId === null ? null : loaders.provider.load(providerId)),
    }),
    deployment: t.field({
      type: DeploymentRef,
      nullable: true,
      description: 'The deployment of that backend.',
      resolve: ({ deploymentId }, _args, { loaders }) =>
        deploymentId === null ? null : loaders.deployment.load(deploymentId),
    }),
    apiKey: t.field({
      type: ApiKeyRef,
      nullable: true,
      description: 'The key of the caller.',
      resolve: ({ apiKeyId }, _args, { loaders }) => (apiKeyId === null ? null : loaders.apiKey.load(apiKeyId)),
    }),
    user: t.field({
      type: UserRef,
      nullable: true,
      description: 'The owner of that key.',
      resolve: ({ userId }, _args, { loaders }) => (userId === null ? null : loaders.user.load(userId)),
    }),
    operation: t.exposeString('operation', { nullable: true, description: 'The called endpoint.' }),
    outcome: t.expose('outcome', { type: RequestOutcome, nullable: true, description: 'How the requests ended.' }),
    serviceTier: t.exposeString('serviceTier', {
      nullable: true,
      description: 'The `service_tier` of the answers; null if they name none.',
    }),
  }),
})

const UsageRowRef = builder.objectRef<UsageRow>('UsageRow').implement({
  description: 'One bucket of one group.',
  fields: (t) => ({
    bucketStart: t.field({
      type: 'DateTime',
      description: 'When the bucket begins.',
      resolve: ({ bucketStart }) => bucketStart,
    }),
    group: t.expose('group', { type: UsageGroupRef, description: 'What the row is about.' }),
    metrics: t.expose('metrics', { type: UsageMetricsRef, description: 'Its sums.' }),
  }),
})

const UsageReportRef = builder.objectRef<UsageReport>('UsageReport').implement({
  description: 'Usage of the requests that ended in a range.',
  fields: (t) => ({
    from: t.field({ type: 'DateTime', description: 'The first instant.', resolve: ({ from }) => from }),
    to: t.field({ type: 'DateTime', description: 'The first instant after the range.', resolve: ({ to }) => to }),
    completeUntil: t.field({
      type: 'DateTime',
      description: 'Requests that ended up to this instant are counted.',
      resolve: ({ completeUntil }) => completeUntil,
    }),
    totals: t.expose('totals', { type: UsageMetricsRef, description: 'Sums over the whole range, always exact.' }),
    rows: t.expose('rows', {
      type: [UsageRowRef],
      description: 'One per bucket and group: oldest bucket first, then most tokens first.',
    }),
    lostRequests: t.expose('lostRequests', {
      type: 'SafeInt',
      description:
        'Known number of requests in the range whose records were lost, over all callers and regardless of the filter. 0: the report is exact up to `completeUntil`.',
    }),
    truncated: t.exposeBoolean('truncated', { description: 'Whether rows beyond `limit` were left out.' }),
  }),
})

const percentileFields = new Set(['firstByteMs', 'durationMs'])

builder.queryField('usage', (t) =>
  t.field({
    type: UsageReportRef,
    description:
      'Usage of the requests that ended in a range. A range of more than 10,000 buckets is refused, and so are minutes that are no longer kept (after 90 days, or after the days of the request log if these are more). A member sees only its own usage.',
    authScopes: readsUsage,
    complexity: ({ limit }) => ({ field: 1, multiplier: Math.max(1, Math.min(limit, maxRows) / rowsPerCost) }),
    args: {
      range: t.arg({ type: TimeRangeInput, required: true, description: 'When the requests ended.' }),
      bucket: t.arg({
        type: UsageBucket,
        required: true,
        defaultValue: 'ALL',
        description: 'Width of the bucket of a row.',
      }),
      timeZone: t.arg.string({
        required: true,
        defaultValue: 'UTC',
        description:
          'IANA name of the time zone in which days and months begin, e.g. `Europe/Berlin`. Minutes and hours are those of UTC.',
      }),
      groupBy: t.arg({
        type: [UsageDimension],
        required: true,
        defaultValue: [],
        description: 'One row for each combination of these dimensions, each named at most once.',
      }),
      filter: t.arg({ type: UsageFilterInput, description: 'Omitted: all requests.' }),
      limit: t.arg.int({ required: true, defaultValue: 1000, description: 'Most rows, 1 to 10,000.' }),
    },
    resolve: async (
      _root,
      { range, bucket, timeZone, groupBy, filter, limit },
      { db, actor, usageShippedUntilMs },
      info,
    ) => {
      if (limit < 1 || limit > maxRows) throw badUserInput(`\`limit\` is 1 to ${maxRows}.`)
      if (!isTimeZone(timeZone)) throw badUserInput('`timeZone` is the IANA name of a time zone, e.g. `Europe/Berlin`.')
      const twice = groupBy.find((dimension, index) => groupBy.indexOf(dimension) < index)
      if (twice) throw badUserInput(`\`groupBy\` names ${twice} twice.`)
      const result = await getUsageReport(db, {
        from: range.from,
        to: range.to ?? new Date(),
        bucket,
        timeZone,
        groupBy,
        filter: visibleUsage(actor, filter),
        limit,
        withPercentiles: isAnySelected(info, percentileFields),
      })
      if (!result.ok) throw badUserInput(describe(result.refusal))
      const { report } = result
      return { ...report, completeUntil: new Date(Math.min(report.completeUntil.getTime(), usageShippedUntilMs)) }
    },
  }),
)

function describe(refusal: UsageRefusal): string {
  switch (refusal.kind) {
    case 'RANGE_REVERSED':
      return reversedRange
    case 'RECORDS_DROPPED':
      return `Statuses, error codes, requested models and retries are known of single requests only, which are kept since ${refusal.keptFrom.toISOString()}: begin the range there, or leave these filters out.`
    case 'MINUTES_DROPPED':
      return `By minute, usage is kept since ${refusal.keptFrom.toISOString()}: begin the range there, or take buckets of an hour or more. Days and months of a time zone that is not whole hours from UTC are made of minutes, too.`
    case 'TOO_MANY_BUCKETS':
      return `The range has ${refusal.buckets} buckets of this width, and at most ${refusal.maxBuckets} can be asked for: take wider ones.`
  }
}
