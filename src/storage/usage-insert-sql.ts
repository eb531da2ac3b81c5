import { recordColumns } from './usage-insert-batch.ts'
import {
  type DimensionColumn,
  usageGrains,
  usageLayers,
  type UsageGrain,
  type UsageLevel,
  usageLevels,
} from './usage-layers.ts'

const columnTypes: Record<DimensionColumn, string> = {
  route_id: 'text',
  route_name: 'text',
  route_revision: 'integer',
  target_id: 'text',
  backend_id: 'text',
  backend_label: 'text',
  provider_id: 'text',
  provider_name: 'text',
  deployment_id: 'text',
  deployment_name: 'text',
  api_key_id: 'text',
  api_key_name: 'text',
  user_id: 'text',
  user_name: 'text',
  operation: 'text',
  outcome: 'text',
  stream: 'boolean',
}
const columns = Object.keys(columnTypes) as DimensionColumn[]
const levels = Object.keys(usageLevels) as UsageLevel[]

/** What is added up in each cell: a column of `usage_rollup`, and its value over the new records. */
const sums = {
  requests: 'count(*)',
  attempts: 'sum(tried)',
  failures: 'sum(failed)',
  fallbacks: "count(*) FILTER (WHERE outcome = 'OK_BY_FALLBACK')",
  input_tokens: 'coalesce(sum(input), 0)',
  cached_input_tokens: 'coalesce(sum(cached), 0)',
  output_tokens: 'coalesce(sum(output), 0)',
  reasoning_tokens: 'coalesce(sum(reasoning), 0)',
  estimated_requests: "count(*) FILTER (WHERE provenance = 'ESTIMATED')",
}
const sketches = { first_byte_sketch: 'first_byte', duration_sketch: 'duration' }

/** The start of the bucket of each grain, in UTC. */
const bucketOf: Record<UsageGrain, string> = {
  MINUTE: "date_bin('1 minute', ended_at, '2000-01-01Z')",
  HOUR: "date_bin('1 hour', ended_at, '2000-01-01Z')",
  DAY: "date_bin('1 day', ended_at, '2000-01-01Z')",
  MONTH: "date_trunc('month', ended_at, 'UTC')",
}

/** A sketch grows by appending; beyond this many entries its bins are added up. */
const longSketch = 128

function keyColumn(level: UsageLevel): string {
  return `key_${level.toLowerCase()}`
}

/** The key is the same wherever it is computed: writers who race agree about it without asking. */
function keyOf(level: UsageLevel): string {
  return `md5(ROW('${level}', ${['0', ...usageLevels[level]].join(', ')})::text)::uuid`
}

function dimensionRows(level: UsageLevel): string {
  const values = columns.map((column) =>
    (usageLevels[level] as readonly string[]).includes(column) ? column : `NULL::${columnTypes[column]}`,
  )
  return `SELECT ${keyColumn(level)} AS key, '${level}' AS level, ${values.join(', ')} FROM dimension`
}

function layerCell({ number, grain, level }: (typeof usageLayers)[number]): string {
  return `(${number}::smallint, ${grain.toLowerCase()}, ${keyColumn(level)})`
}

function shortSketch(entries: string): string {
  return `CASE WHEN cardinality(${entries}) > ${longSketch} THEN usage_sketch_compact(${entries}) ELSE ${entries} END`
}

function addSketch(column: string): string {
  return `${column} = ${shortSketch(`usage_rollup.${column} || excluded.${column}`)}`
}

const dimensionFields = columns.map((column) => `${column} ${columnTypes[column]}`).join(', ')
const recordArrays = Object.values(recordColumns).map(({ type }, index) => `$${index + 4}::${type}[]`)

/**
 * A request that a crash cut off gets a record with an end of its own. It may have ended nevertheless, with a record that got
 * here from memory and of which the disk knew nothing: full, or not yet synced when the machine died.
 */
const isUnknown = 'NOT EXISTS (SELECT FROM usage_record AS known WHERE known.id = incoming.id)'

/**
 * Parameters: `dimensions`, `attempts` and then each of `records` of an `EncodedBatch`. Returns the number of new records as `inserted`.
 *
 * Every table is written in the order of its key, and all writers write the tables in the same order: writers who race
 * wait for one another, and cannot wait in a circle.
 */
export const usageInsertSql = `
WITH dimension AS MATERIALIZED (
  SELECT d.*, ${levels.map((level) => `${keyOf(level)} AS ${keyColumn(level)}`).join(', ')}
  FROM json_to_recordset($1::json) AS d(n integer, ${dimensionFields})
), incoming AS MATERIALIZED (
  SELECT r.*, to_timestamp(started / 1000) AS started_at, to_timestamp(ended / 1000) AS ended_at,
    d.route_id, d.api_key_id, d.outcome, ${levels.map((level) => `d.${keyColumn(level)}`).join(', ')}
  FROM unnest(string_to_array($2::text, E'\\n')::json[], $3::integer[], ${recordArrays.join(', ')})
    AS r(attempts, n, ${Object.keys(recordColumns).join(', ')})
  JOIN dimension AS d USING (n)
), new_dimension AS (
  INSERT INTO usage_dimension (key, level, ${columns.join(', ')})
  SELECT DISTINCT ON (key) * FROM (${levels.map(dimensionRows).join(' UNION ALL ')}) AS rows
  WHERE NOT EXISTS (SELECT FROM usage_dimension AS known WHERE known.key = rows.key)
  ORDER BY key
  ON CONFLICT DO NOTHING
), new_record AS (
  INSERT INTO usage_record (id, started_at, ended_at, dimension, route_id, api_key_id, requested_model, status,
    error_code, attempts, provenance, input_tokens, cached_input_tokens, output_tokens, reasoning_tokens, cost,
    first_byte_ms, duration_ms, overhead_ms)
  SELECT id, started_at, ended_at, key_full, route_id, api_key_id, model, status, error, attempts, provenance, input,
    cached, output, reasoning, cost, first_byte_ms, duration_ms, overhead_ms
  FROM incoming
  WHERE CASE WHEN outcome = 'GATEWAY_ERROR' THEN ${isUnknown} ELSE true END
  ORDER BY id
  ON CONFLICT DO NOTHING
  RETURNING id
), fact AS MATERIALIZED (
  SELECT incoming.*, ${usageGrains.map((grain) => `${bucketOf[grain]} AS ${grain.toLowerCase()}`).join(', ')}
  FROM incoming JOIN new_record USING (id)
), cell AS (
  SELECT cell_layer AS layer, cell_bucket AS bucket, cell_dimension AS dimension,
    ${Object.entries(sums)
      .map(([column, value]) => `${value} AS ${column}`)
      .join(', ')},
    sum(cost) AS cost,
    ${Object.entries(sketches)
      .map(([column, entry]) => `coalesce(array_agg(${entry}) FILTER (WHERE ${entry} IS NOT NULL), '{}') AS ${column}`)
      .join(', ')}
  FROM fact CROSS JOIN LATERAL (VALUES ${usageLayers.map(layerCell).join(', ')})
    AS cell_of(cell_layer, cell_bucket, cell_dimension)
  GROUP BY 1, 2, 3
), rolled_up AS (
  INSERT INTO usage_rollup (layer, bucket, dimension, ${Object.keys(sums).join(', ')}, cost,
    ${Object.keys(sketches).join(', ')})
  SELECT layer, bucket, dimension, ${Object.keys(sums).join(', ')}, cost,
    ${Object.keys(sketches).map(shortSketch).join(', ')}
  FROM cell
  ORDER BY layer, bucket, dimension
  ON CONFLICT (layer, bucket, dimension) DO UPDATE SET
    ${Object.keys(sums)
      .map((column) => `${column} = usage_rollup.${column} + excluded.${column}`)
      .join(', ')},
    cost = coalesce(usage_rollup.cost + excluded.cost, usage_rollup.cost, excluded.cost),
    ${Object.keys(sketches).map(addSketch).join(', ')}
)
SELECT count(*) AS inserted FROM new_record`
