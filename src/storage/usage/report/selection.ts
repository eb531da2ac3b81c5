import { type RawBuilder, sql } from 'kysely'
import type { UsageBucket, UsageDimension, UsageFilter } from '../../../routing/usage/filter.ts'
import { recordConditions, usageConditions, usageFilterColumns } from './conditions.ts'
import { type DimensionColumn, layerFor } from './layers.ts'
import type { Range, RangePart } from './range.ts'
import { sketchOfMs } from './sketch.ts'
import type { BucketStarts } from './zone-buckets.ts'

export interface UsageSelection {
  readonly range: Range
  readonly bucket: UsageBucket
  /** Of the buckets, in a time zone; null or omitted: they are those of UTC. */
  readonly starts?: BucketStarts | null
  /** Without repetitions. */
  readonly groupBy: readonly UsageDimension[]
  readonly filter: UsageFilter
  readonly limit: number
  readonly withPercentiles: boolean
}

/** What tells the groups of a dimension apart, and the names that go with it. */
const dimensionColumns: Record<
  UsageDimension,
  { keys: readonly DimensionColumn[]; names: readonly DimensionColumn[] }
> = {
  ROUTE: { keys: ['route_id'], names: ['route_name'] },
  ROUTE_REVISION: { keys: ['route_id', 'route_revision'], names: ['route_name'] },
  TARGET: { keys: ['target_id'], names: ['backend_label'] },
  BACKEND: { keys: ['backend_id'], names: ['backend_label'] },
  PROVIDER: { keys: ['provider_id'], names: ['provider_name'] },
  DEPLOYMENT: { keys: ['deployment_id'], names: ['deployment_name'] },
  API_KEY: { keys: ['api_key_id'], names: ['api_key_name'] },
  USER: { keys: ['user_id'], names: ['user_name'] },
  OPERATION: { keys: ['operation'], names: [] },
  OUTCOME: { keys: ['outcome'], names: [] },
  SERVICE_TIER: { keys: ['service_tier'], names: [] },
}

/** The columns that identify a group. */
export function keyColumns({ groupBy }: UsageSelection): DimensionColumn[] {
  return [...new Set(groupBy.flatMap((dimension) => dimensionColumns[dimension].keys))]
}

/** What a layer must know to answer. */
export function neededColumns(query: UsageSelection): DimensionColumn[] {
  const names = query.groupBy.flatMap((dimension) => dimensionColumns[dimension].names)
  return [...keyColumns(query), ...names, ...usageFilterColumns(query.filter)]
}

/** The rows of one part of the range that match the filter: the start of their bucket, and these columns. */
export function selectPart(
  query: UsageSelection,
  part: RangePart,
  columns: readonly RawBuilder<unknown>[],
): RawBuilder<unknown> {
  const from = new Date(part.from)
  const to = new Date(part.to)
  const conditions = usageConditions(query.filter, 'd')
  if (part.source === 'RECORDS') {
    return sql`
      select ${bucketStart(query, part)} as bucket_start, ${sql.join(columns)}
      from usage_record as u join usage_dimension as d on d.key = u.dimension cross join lateral (${recordSums}) as r
      where u.ended_at >= ${from} and u.ended_at < ${to} and ${conditions} and ${recordConditions(query.filter, 'u')}
    `
  }
  const layer = layerFor(part.source, neededColumns(query))
  return sql`
    select ${bucketStart(query, part)} as bucket_start, ${sql.join(columns)}
    from usage_rollup as r join usage_dimension as d on d.key = r.dimension and d.level = ${layer.level}
    where r.layer = ${layer.number} and r.bucket >= ${from} and r.bucket < ${to} and ${conditions}
  `
}

/** Where the sums are as wide as the buckets it is the column itself: in the order of the index. */
function bucketStart({ bucket, range, starts }: UsageSelection, part: RangePart): RawBuilder<unknown> {
  if (bucket === 'ALL') return sql`${new Date(range.from)}::timestamptz`
  const instant = part.source === 'RECORDS' ? sql`u.ended_at` : sql`r.bucket`
  if (starts) {
    const thresholds = sql`${starts.map((start) => new Date(start))}::timestamptz[]`
    return sql`(${thresholds})[width_bucket(${instant}, ${thresholds})]`
  }
  if (bucket === part.source) return sql`r.bucket`
  return sql`date_trunc(${sql.lit(bucket.toLowerCase())}, ${instant}, 'UTC')`
}

/** A record as if it were a sum. */
const recordSums = sql`
  select 1::bigint as requests, json_array_length(u.attempts)::bigint as attempts,
    (d.outcome not in ('OK', 'OK_BY_FALLBACK'))::int::bigint as failures,
    (d.outcome = 'OK_BY_FALLBACK')::int::bigint as fallbacks, coalesce(u.input_tokens, 0) as input_tokens,
    coalesce(u.cached_input_tokens, 0) as cached_input_tokens, coalesce(u.output_tokens, 0) as output_tokens,
    coalesce(u.reasoning_tokens, 0) as reasoning_tokens,
    coalesce(u.cache_write_tokens, 0) as cache_write_tokens, coalesce(u.images, 0) as images,
    coalesce(u.audio_micros, 0) as audio_micros, coalesce(u.characters, 0) as characters, (u.provenance = 'ESTIMATED')::int::bigint as estimated_requests,
    u.cost as cost,
    (extract(epoch from u.ended_at) * 1000)::bigint as last_ended_ms,
    ${sketchOfMs(sql`u.first_byte_ms`)} as first_byte_sketch, ${sketchOfMs(sql`u.duration_ms`)} as duration_sketch
`
