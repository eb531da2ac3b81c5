import type { UsageBucket, UsageDimension, UsageFilter } from '../../../routing/usage/filter.ts'
import type { RequestOutcome } from '../../../routing/config/vocabulary.ts'
import type { Db } from '../../database/db.ts'
import { countLostRequests, findCompleteUntil } from '../ledger/progress.ts'
import { type Range, countBuckets, type UsageRetention } from './range.ts'
import { type Aggregate, findUsageKept, listAggregates } from './aggregate.ts'
import { needsRecords } from './conditions.ts'
import type { UsageMetrics } from './metrics.ts'
import { areWholeHours, type BucketStarts, listBucketStarts } from './zone-buckets.ts'

export interface UsageQuery {
  readonly from: Date
  /** Excluded. */
  readonly to: Date
  readonly bucket: UsageBucket
  /** IANA name: where days and months begin. Default: UTC. */
  readonly timeZone?: string
  readonly groupBy: readonly UsageDimension[]
  readonly filter?: UsageFilter | null
  /** Most rows. */
  readonly limit: number
  /** False spares the work for `firstByteMs` and `durationMs`, which are null then. Default: true. */
  readonly withPercentiles?: boolean
}

/** The value of each dimension of `groupBy`; other members are null. */
export interface UsageGroup {
  /** Names at the time of the requests, in the order of `groupBy`; empty where there was no such object. */
  readonly labels: readonly string[]
  readonly routeId: string | null
  readonly routeRevision: number | null
  readonly targetId: string | null
  readonly backendId: string | null
  readonly providerId: string | null
  readonly deploymentId: string | null
  readonly apiKeyId: string | null
  readonly userId: string | null
  readonly operation: string | null
  readonly outcome: RequestOutcome | null
  readonly serviceTier: string | null
}

export interface UsageRow {
  readonly bucketStart: Date
  readonly group: UsageGroup
  readonly metrics: UsageMetrics
}

export interface UsageReport {
  readonly from: Date
  readonly to: Date
  /** All requests that ended before this instant are counted. */
  readonly completeUntil: Date
  readonly totals: UsageMetrics
  /** Oldest bucket first, then most tokens first. */
  readonly rows: readonly UsageRow[]
  readonly truncated: boolean
  /** Known number of requests in the range whose records are lost, of all callers and regardless of the filter. */
  readonly lostRequests: number
}

export type UsageRefusal =
  | { readonly kind: 'RANGE_REVERSED' }
  /** The filter asks for what only records know, and there are none before `keptFrom`. */
  | { readonly kind: 'RECORDS_DROPPED'; readonly keptFrom: Date }
  /** Sums by minute, which the days of some time zones need, are not kept before `keptFrom`. */
  | { readonly kind: 'MINUTES_DROPPED'; readonly keptFrom: Date }
  | { readonly kind: 'TOO_MANY_BUCKETS'; readonly buckets: number; readonly maxBuckets: number }

export type UsageReportResult =
  | { readonly ok: true; readonly report: UsageReport }
  | { readonly ok: false; readonly refusal: UsageRefusal }

const maxBuckets = 10_000

/**
 * Usage of the requests that ended in `[from, to)`, or why that cannot be asked. Ranges that meet add up, whatever their
 * edges; the totals are of the whole range, also when rows are left out.
 */
export async function getUsageReport(db: Db, query: UsageQuery): Promise<UsageReportResult> {
  const range = { from: query.from.getTime(), to: query.to.getTime() }
  if (range.from > range.to) return { ok: false, refusal: { kind: 'RANGE_REVERSED' } }
  const starts = listBucketStarts(range, query.bucket, query.timeZone ?? 'UTC', maxBuckets)
  // Those of a time zone are listed up to the first one that is too many.
  const buckets = starts && starts.length <= maxBuckets ? starts.length : countBuckets(range, query.bucket)
  if (buckets > maxBuckets) return { ok: false, refusal: { kind: 'TOO_MANY_BUCKETS', buckets, maxBuckets } }
  // One snapshot for all of it: rows and totals belong together.
  return db
    .transaction()
    .setIsolationLevel('repeatable read')
    .setAccessMode('read only')
    .execute(async (tx) => {
      const refusal = needsFine(query, starts) ? refuseDropped(query, range, await findUsageKept(tx)) : null
      if (refusal) return { ok: false, refusal }
      return { ok: true, report: await readReport(tx, query, range, starts) }
    })
}

/** Whether it can be answered only by what is kept for a while. */
function needsFine({ filter, bucket }: UsageQuery, starts: BucketStarts | null): boolean {
  const needsMinutes = bucket === 'MINUTE' || (starts !== null && !areWholeHours(starts))
  return needsMinutes || needsRecords(filter ?? {})
}

/** Why what is asked is not known so finely any more. */
function refuseDropped({ filter }: UsageQuery, range: Range, kept: UsageRetention): UsageRefusal | null {
  const [kind, from] = needsRecords(filter ?? {})
    ? (['RECORDS_DROPPED', kept.recordsFrom] as const)
    : (['MINUTES_DROPPED', kept.minutesFrom] as const)
  return range.from < from ? { kind, keptFrom: new Date(from) } : null
}

async function readReport(tx: Db, query: UsageQuery, range: Range, starts: BucketStarts | null): Promise<UsageReport> {
  const { from, to } = query
  const withPercentiles = query.withPercentiles ?? true
  const common = { range, filter: query.filter ?? {}, withPercentiles }
  const completeUntil = await findCompleteUntil(tx)
  const lostRequests = await countLostRequests(tx, from, to)
  const [total] = await listAggregates(tx, { ...common, bucket: 'ALL', groupBy: [], limit: 1 })
  if (!total) return { from, to, completeUntil, totals: emptyMetrics, rows: [], truncated: false, lostRequests }
  const groupBy = [...new Set(query.groupBy)]
  const isTotal = query.bucket === 'ALL' && groupBy.length === 0
  const aggregates = isTotal
    ? [total]
    : await listAggregates(tx, { ...common, bucket: query.bucket, starts, groupBy, limit: query.limit + 1 })
  return {
    from,
    to,
    completeUntil,
    totals: total.metrics,
    rows: aggregates.slice(0, query.limit).map((aggregate) => toRow(aggregate, query.groupBy)),
    truncated: aggregates.length > query.limit,
    lostRequests,
  }
}

const emptyMetrics: UsageMetrics = {
  requests: 0,
  attempts: 0,
  failures: 0,
  fallbacks: 0,
  inputTokens: 0,
  cachedInputTokens: 0,
  outputTokens: 0,
  reasoningTokens: 0,
  cacheWriteTokens: 0,
  images: 0,
  audioSeconds: 0,
  characters: 0,
  estimatedRequests: 0,
  cost: null,
  firstByteMs: null,
  durationMs: null,
}

function toRow({ bucketStart, about, metrics }: Aggregate, groupBy: readonly UsageDimension[]): UsageRow {
  const has = (...dimensions: UsageDimension[]) => dimensions.some((dimension) => groupBy.includes(dimension))
  return {
    bucketStart,
    metrics,
    group: {
      labels: groupBy.map((dimension) => labelOf[dimension](about) ?? ''),
      routeId: has('ROUTE', 'ROUTE_REVISION') ? about.route_id : null,
      routeRevision: has('ROUTE_REVISION') ? about.route_revision : null,
      targetId: has('TARGET') ? about.target_id : null,
      backendId: has('BACKEND') ? about.backend_id : null,
      providerId: has('PROVIDER') ? about.provider_id : null,
      deploymentId: has('DEPLOYMENT') ? about.deployment_id : null,
      apiKeyId: has('API_KEY') ? about.api_key_id : null,
      userId: has('USER') ? about.user_id : null,
      operation: has('OPERATION') ? about.operation : null,
      outcome: has('OUTCOME') ? about.outcome : null,
      serviceTier: has('SERVICE_TIER') ? about.service_tier : null,
    },
  }
}

const labelOf: Record<UsageDimension, (about: Aggregate['about']) => string | null> = {
  ROUTE: (about) => about.route_name,
  ROUTE_REVISION: (about) => (about.route_name === null ? null : `${about.route_name}@${about.route_revision}`),
  TARGET: (about) => (about.target_id === null ? null : about.backend_label),
  BACKEND: (about) => about.backend_label,
  PROVIDER: (about) => about.provider_name,
  DEPLOYMENT: (about) => about.deployment_name,
  API_KEY: (about) => about.api_key_name,
  USER: (about) => about.user_name,
  OPERATION: (about) => about.operation,
  OUTCOME: (about) => about.outcome,
  SERVICE_TIER: (about) => about.service_tier,
}
