import { type Selectable, sql } from 'kysely'
import type { Db } from '../../database/db.ts'
import type { Tables } from '../../database/tables.ts'
import { needsRecords } from './conditions.ts'
import { type DimensionColumn, layerFor, usageCounts, type UsageGrain, usageLevels } from './layers.ts'
import { clipParts, listWindows, type RangePart, splitRange, type UsageRetention } from './range.ts'
import type { UsageMetrics } from './metrics.ts'
import { keyColumns, neededColumns, selectPart, type UsageSelection } from './selection.ts'
import { packedSketch, percentilesOfSketch } from './sketch.ts'
import { areWholeHours, startsWithin } from './zone-buckets.ts'

/** One bucket and group. */
export interface Aggregate {
  readonly bucketStart: Date
  /** What it is about, with the names of its last request. Only the columns that belong to the group's dimensions count. */
  readonly about: Pick<Selectable<Tables['usage_dimension']>, DimensionColumn>
  readonly metrics: UsageMetrics
}

/** The sums of a range by bucket and group: oldest bucket first, then most tokens first. */
export async function listAggregates(tx: Db, query: UsageSelection): Promise<Aggregate[]> {
  const parts = await partsOf(tx, query)
  if (parts.length === 0) return []
  // Sums of a year are sorted and hashed: with the server's few megabytes that happens on disk.
  await sql`set local work_mem = '64MB'`.execute(tx)
  const rows = await listFirstSums(tx, query, parts)
  const abouts = await listAbouts(tx, new Set(rows.map(({ number }) => number)))
  return rows.map((row) => toAggregate(row, abouts.get(row.number)!))
}

/** The parts of a selection's range. What only the records know is asked of them alone. */
export async function partsOf(tx: Db, query: UsageSelection): Promise<RangePart[]> {
  const { range } = query
  if (needsRecords(query.filter)) return range.from < range.to ? [{ ...range, source: 'RECORDS' }] : []
  return splitRange(range, coarsestGrain(query), await findUsageKept(tx))
}

/** From where on there are records, and sums by minute: retention has dropped what was before. */
export async function findUsageKept(tx: Db): Promise<UsageRetention> {
  const instantOf = (column: 'dropped_until' | 'minutes_dropped_until') =>
    sql<number>`greatest(extract(epoch from ${sql.ref(column)}) * 1000, -8.64e15)::float8`
  return await tx
    .selectFrom('usage_retention')
    .select([instantOf('dropped_until').as('recordsFrom'), instantOf('minutes_dropped_until').as('minutesFrom')])
    .executeTakeFirstOrThrow()
}

/** By number. Few, and wide: with each row they would be most of what is transferred. */
async function listAbouts(tx: Db, numbers: ReadonlySet<number>): Promise<Map<number, Aggregate['about']>> {
  const rows = await tx
    .selectFrom('usage_dimension')
    .where('number', '=', sql<number>`any(${[...numbers]}::bigint[])`)
    .select(['number', ...usageLevels.FULL])
    .execute()
  return new Map(rows.map((row) => [row.number, row]))
}

/** Sums by month exist for some levels only: for the others days have fewer rows. */
function coarsestGrain(query: UsageSelection): UsageGrain {
  if (query.starts) return areWholeHours(query.starts) ? 'HOUR' : 'MINUTE'
  if (query.bucket !== 'ALL' && query.bucket !== 'MONTH') return query.bucket
  const columns = neededColumns(query)
  return layerFor('MONTH', columns).level === layerFor('DAY', columns).level ? 'MONTH' : 'DAY'
}

type SumRow = Record<(typeof usageCounts)[number], number> & {
  bucket_start: Date
  /** Of the dimension in it that was used last. */
  number: number
  cost: string | null
  /** Only if there are to be percentiles. */
  first_byte?: Buffer
  duration?: Buffer
}

/** Buckets come in order, so a limit is mostly reached within the first few of them: the rest need not be read. */
async function listFirstSums(tx: Db, query: UsageSelection, parts: readonly RangePart[]): Promise<SumRow[]> {
  const rows: SumRow[] = []
  for (const window of listWindows(query.range, query.bucket, query.starts)) {
    const inWindow = clipParts(parts, window)
    if (inWindow.length === 0) continue
    const starts = query.starts ? startsWithin(query.starts, window) : null
    rows.push(...(await listSums(tx, { ...query, starts, limit: query.limit - rows.length }, inWindow)))
    if (rows.length >= query.limit) break
  }
  return rows
}

/** The greatest is that of the dimension that was used last; of the same millisecond, the newer one. */
const lastUse = sql`array[r.last_ended_ms, d.number] as last_use`

async function listSums(tx: Db, query: UsageSelection, parts: readonly RangePart[]): Promise<SumRow[]> {
  const keys = keyColumns(query)
  const groupBy = sql.join([sql`bucket_start`, ...keys.map((key) => sql.ref(key))])
  const sums = usageCounts.map((column) => sql`usage_sum(${sql.ref(column)}) as ${sql.ref(column)}`)
  const sketches = query.withPercentiles ? (['first_byte', 'duration'] as const) : []
  const mergedSketches = sketches.map((name) => sql`usage_sum(${sql.ref(`${name}_sketch`)}) as ${sql.ref(name)}`)
  const values = [...usageCounts, 'cost', ...sketches.map((name) => `${name}_sketch`)].map((column) =>
    sql.ref(`r.${column}`),
  )
  const { rows } = await sql<SumRow>`
    with part as (${sql.join(
      parts.map((part) => selectPart(query, part, [...keys.map((key) => sql.ref(`d.${key}`)), lastUse, ...values])),
      sql` union all `,
    )}), page as (
      select bucket_start, ${sql.join([...keys.map((key) => sql.ref(key)), ...sums, ...mergedSketches])}, usage_sum(cost) as cost,
        (max(last_use))[2] as number
      from part
      group by ${groupBy}
      order by bucket_start, usage_sum(input_tokens) + usage_sum(output_tokens) desc, usage_sum(requests) desc, number
      limit ${query.limit}
    )
    select page.bucket_start, ${sql.join([
      ...usageCounts.map((column) => sql.ref(`page.${column}`)),
      ...sketches.map((name) => sql`${packedSketch(sql.ref(`page.${name}`))} as ${sql.ref(name)}`),
    ])}, trim_scale(page.cost)::text as cost, page.number
    from page
    order by page.bucket_start, page.input_tokens + page.output_tokens desc, page.requests desc, page.number
  `.execute(tx)
  return rows
}

function toAggregate(row: SumRow, about: Aggregate['about']): Aggregate {
  return {
    bucketStart: row.bucket_start,
    about,
    metrics: {
      requests: row.requests,
      attempts: row.attempts,
      failures: row.failures,
      fallbacks: row.fallbacks,
      inputTokens: row.input_tokens,
      cachedInputTokens: row.cached_input_tokens,
      outputTokens: row.output_tokens,
      reasoningTokens: row.reasoning_tokens,
      cacheWriteTokens: row.cache_write_tokens,
      images: row.images,
      audioSeconds: row.audio_micros / 1_000_000,
      characters: row.characters,
      estimatedRequests: row.estimated_requests,
      cost: row.cost,
      firstByteMs: row.first_byte ? percentilesOfSketch(row.first_byte) : null,
      durationMs: row.duration ? percentilesOfSketch(row.duration) : null,
    },
  }
}
