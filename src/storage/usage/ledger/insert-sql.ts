import { prepared } from '../../database/prepared-statement.ts'
import {
  type DimensionColumn,
  usageCounts,
  usageLayers,
  type UsageGrain,
  type UsageLevel,
  usageLevels,
} from '../report/layers.ts'

const columns = usageLevels.FULL
const levels = Object.keys(usageLevels) as UsageLevel[]

/** What is put together in each cell, by adding up or as the greatest: columns of `usage_rollup`. */
const sums = [...usageCounts, 'cost', 'first_byte_sketch', 'duration_sketch', 'last_ended_ms'] as const

/** The start of the bucket of each grain, in UTC. */
const bucketOf: Record<UsageGrain, string> = {
  MINUTE: 'minute',
  HOUR: "date_bin('1 hour', minute, '2000-01-01Z')",
  DAY: "date_bin('1 day', minute, '2000-01-01Z')",
  MONTH: "date_trunc('month', minute, 'UTC')",
}

function keyColumn(level: UsageLevel): string {
  return `key_${level.toLowerCase()}`
}

function dimensionRows(level: UsageLevel): string {
  const values = columns.map((column) => (isOfLevel(column, level) ? column : `NULL AS ${column}`))
  return `SELECT DISTINCT ON (key) ${keyColumn(level)} AS key, '${level}' AS level, ${values.join(', ')} FROM about`
}

function isOfLevel(column: DimensionColumn, level: UsageLevel): boolean {
  return (usageLevels[level] as readonly DimensionColumn[]).includes(column)
}

/** The level whose sums each level is the sum of: what has the same key there has the same key here. */
const finerLevel: Record<UsageLevel, UsageLevel | null> = {
  FULL: null,
  SERVICE: 'FULL',
  CALLER: 'FULL',
  ROUTE: 'SERVICE',
  ALL: 'ROUTE',
}

/** The sums of a level by minute. */
function levelSums(level: UsageLevel): string {
  const finer = finerLevel[level]
  const group = ['minute', ...keysToCarry(level)].join(', ')
  const values = finer === null ? recordSums : sums.map(sumOf)
  const from = finer === null ? 'fact' : sumsName(finer)
  return `${sumsName(level)} AS MATERIALIZED (SELECT ${group}, ${values.join(', ')} FROM ${from} GROUP BY ${group})`
}

function sumsName(level: UsageLevel): string {
  return `of_${level.toLowerCase()}`
}

/** Its own key, and those of the levels that are added up from it. */
function keysToCarry(level: UsageLevel): string[] {
  const coarser = levels.filter((other) => finerLevel[other] === level)
  return [keyColumn(level), ...coarser.flatMap(keysToCarry)]
}

function sumOf(column: (typeof sums)[number]): string {
  return `${column === 'last_ended_ms' ? 'max' : 'usage_sum'}(${column}) AS ${column}`
}

const recordSums = [
  'count(*) AS requests',
  'sum(tried) AS attempts',
  'sum(failed) AS failures',
  'sum(fallback) AS fallbacks',
  'coalesce(usage_sum(input), 0) AS input_tokens',
  'coalesce(usage_sum(cached), 0) AS cached_input_tokens',
  'coalesce(usage_sum(output), 0) AS output_tokens',
  'coalesce(usage_sum(reasoning), 0) AS reasoning_tokens',
  'coalesce(usage_sum(cache_write), 0) AS cache_write_tokens',
  'coalesce(usage_sum(images), 0) AS images',
  'coalesce(usage_sum(audio_micros), 0) AS audio_micros',
  'coalesce(usage_sum(characters), 0) AS characters',
  'sum(estimated) AS estimated_requests',
  'usage_sum(cost) AS cost',
  'coalesce(usage_sum(first_byte_sketch), 0) AS first_byte_sketch',
  'usage_sum(duration_sketch) AS duration_sketch',
  'max(started + lasted)::bigint AS last_ended_ms',
]

/** In a sum that is there already. Requests without a price do not make the cost of others null. */
function addUp(column: (typeof sums)[number]): string {
  if (column === 'last_ended_ms') return `${column} = greatest(usage_rollup.${column}, excluded.${column})`
  if (column !== 'cost') return `${column} = usage_rollup.${column} + excluded.${column}`
  return 'cost = coalesce(usage_rollup.cost + excluded.cost, usage_rollup.cost, excluded.cost)'
}

function layerCells({ number, grain, level }: (typeof usageLayers)[number]): string {
  return `SELECT ${number}::smallint AS layer, ${bucketOf[grain]} AS bucket, ${keyColumn(level)} AS dimension, ${sums.join(', ')}
    FROM ${sumsName(level)}`
}

/**
 * A request that a crash cut off gets a record with an end of its own. It may have ended nevertheless, with a record that got
 * here from memory and of which the disk knew nothing: full, or not yet synced when the machine died.
 */
const isUnknown = 'NOT EXISTS (SELECT FROM usage_record AS known WHERE known.id = incoming.id)'

/**
 * Invariant: a numbered record of a run counts once, whenever and however often it is sent. What is new is added to the rows, to the sums
 * of every layer and to `usage_run.shipped` by one statement; what is in `shipped` is left out, although its row may have been dropped
 * with its partition. Records without a number are told by their id, as long as their row is there.
 */
const wasShipped =
  'coalesce((SELECT shipped FROM usage_run WHERE run_id = $4::uuid) @> ($3::bigint[])[ordinality], false)'

/**
 * Parameters: arrays of `usage_about_2` and of `usage_line_2`; the lines' numbers (null: none), the run that gave them (null: none), and the
 * spool where it is. Returns the number of new records as `inserted`.
 *
 * Every table is written in the order of its key, and all writers write the tables in the same order: writers who race
 * wait for one another, and cannot wait in a circle.
 *
 * The plan is made once for all batches, and does not know how many records there are: the hashed `IN` keeps it from comparing each
 * with each.
 */
export const usageInsertSql = prepared(
  'insert_usage',
  `WITH about AS MATERIALIZED (
  SELECT a.*, (outcome NOT IN ('OK', 'OK_BY_FALLBACK'))::int AS failed, (outcome = 'OK_BY_FALLBACK')::int AS fallback,
    (provenance = 'ESTIMATED')::int AS estimated
  FROM unnest($1::usage_about_2[]) AS a
), incoming AS MATERIALIZED (
  SELECT DISTINCT ON (id) l.*, to_timestamp(started / 1000) AS started_at,
    to_timestamp((started + lasted) / 1000) AS ended_at
  FROM unnest($2::usage_line_2[]) WITH ORDINALITY AS l
  WHERE NOT ${wasShipped}
  ORDER BY id, ordinality DESC
), shipped AS (
  INSERT INTO usage_run (run_id, spool_id, shipped)
  SELECT $4::uuid, $5::text, range_agg(int8range(number, number, '[]'))
  FROM unnest($3::bigint[]) AS number
  WHERE $4::uuid IS NOT NULL AND number IS NOT NULL
  HAVING count(*) > 0
  ON CONFLICT (run_id) DO UPDATE SET shipped = usage_run.shipped + excluded.shipped, updated_at = now()
), new_dimension AS (
  INSERT INTO usage_dimension (key, level, ${columns.join(', ')})
  SELECT * FROM (${levels.map((level) => `(${dimensionRows(level)})`).join(' UNION ALL ')}) AS rows
  WHERE NOT EXISTS (SELECT FROM usage_dimension AS known WHERE known.key = rows.key)
  ORDER BY key
  ON CONFLICT DO NOTHING
), new_record AS (
  INSERT INTO usage_record (id, started_at, ended_at, dimension, route_id, api_key_id, requested_model, status,
    error_code, attempts, provenance, input_tokens, cached_input_tokens, output_tokens, reasoning_tokens, cost,
    first_byte_ms, duration_ms, overhead_ms, cache_write_tokens, images, audio_micros, characters)
  SELECT id, started_at, ended_at, key_full, route_id, api_key_id, coalesce(incoming.requested_model, a.requested_model),
    status, error_code, (a.attempts || coalesce(incoming.attempts, ''))::json, provenance, input, cached, output, reasoning,
    cost, first_byte / 1000::float8, duration / 1000::float8, overhead / 1000::float8,
    cache_write, images, audio_micros, characters
  FROM incoming JOIN about AS a ON a.number = incoming.about
  WHERE CASE WHEN outcome = 'GATEWAY_ERROR' THEN ${isUnknown} ELSE true END
  ORDER BY id
  ON CONFLICT DO NOTHING
  RETURNING id
), fact AS (
  SELECT incoming.*, date_bin('1 minute', ended_at, '2000-01-01Z') AS minute, tried, failed, fallback, estimated,
    ${levels.map(keyColumn).join(', ')}
  FROM incoming JOIN about AS a ON a.number = incoming.about
  WHERE (id IN (SELECT id FROM new_record)) IS TRUE
), ${levels.map(levelSums).join(', ')}, cell AS (
  SELECT layer, bucket, dimension, ${sums.map(sumOf).join(', ')}
  FROM (${usageLayers.map(layerCells).join(' UNION ALL ')}) AS layers
  GROUP BY layer, bucket, dimension
), rolled_up AS (
  INSERT INTO usage_rollup (layer, bucket, dimension, ${sums.join(', ')})
  SELECT * FROM cell
  ORDER BY layer, bucket, dimension
  ON CONFLICT (layer, bucket, dimension) DO UPDATE SET
    ${sums.map(addUp).join(', ')}
)
SELECT count(*) AS inserted FROM new_record`,
)
