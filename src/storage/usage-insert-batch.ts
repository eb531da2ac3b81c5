import { setImmediate } from 'node:timers/promises'
import { latencyBin } from '../routing/latency-sketch.ts'
import { endedAtMs, isFailure, type UsageRecord } from '../routing/usage-record.ts'
import type { DimensionColumn } from './usage-layers.ts'

/** The parameters of the insert. */
export interface EncodedBatch {
  /** A JSON array of what the records are about, once per combination: they are few, and wide. */
  readonly dimensions: string
  /** A line of JSON per record. */
  readonly attempts: string
  /** One array literal per column: the number of the dimension, then `recordColumns`. The server reads them faster than JSON. */
  readonly records: readonly string[]
}

interface RecordColumn {
  readonly type: string
  /** The element of the array literal as it stands there; null and undefined: NULL. */
  readonly value: (record: UsageRecord) => string | number | null | undefined
}

/**
 * What is sent of each record, beside the number of its dimension and its attempts. Our own words and numbers need no quotes
 * (https://www.postgresql.org/docs/18/arrays.html#ARRAYS-IO).
 */
export const recordColumns = {
  id: { type: 'text', value: (record) => record.id },
  started: { type: 'double precision', value: (record) => record.startedAtMs },
  ended: { type: 'double precision', value: endedAtMs },
  model: { type: 'text', value: (record) => quoted(record.requestedModel) },
  status: { type: 'integer', value: (record) => record.status },
  error: { type: 'text', value: (record) => quoted(record.errorCode) },
  tried: { type: 'bigint', value: (record) => record.attempts.length },
  failed: { type: 'bigint', value: (record) => (isFailure(record.outcome) ? 1 : 0) },
  provenance: { type: 'text', value: (record) => record.provenance },
  input: { type: 'bigint', value: (record) => record.tokens?.inputTokens },
  cached: { type: 'bigint', value: (record) => record.tokens?.cachedInputTokens },
  output: { type: 'bigint', value: (record) => record.tokens?.outputTokens },
  reasoning: { type: 'bigint', value: (record) => record.tokens?.reasoningTokens },
  cost: { type: 'numeric', value: (record) => record.cost },
  first_byte_ms: {
    type: 'double precision',
    value: (record) => (record.firstByteMs === null ? null : toMicros(record.firstByteMs)),
  },
  duration_ms: { type: 'double precision', value: (record) => toMicros(record.durationMs) },
  overhead_ms: { type: 'double precision', value: (record) => toMicros(record.overheadMs) },
  first_byte: { type: 'bigint', value: (record) => sketchEntry(record.firstByteMs) },
  duration: { type: 'bigint', value: (record) => sketchEntry(record.durationMs) },
} as const satisfies Record<string, RecordColumn>

const columns: readonly RecordColumn['value'][] = Object.values(recordColumns).map(({ value }) => value)

/** More digits than a microsecond has would only be written and read again. */
function toMicros(ms: number): number {
  return Math.round(ms * 1000) / 1000
}

/** One value in its bin, as an element of a sketch. */
function sketchEntry(ms: number | null): number | null {
  return ms === null ? null : 256 + latencyBin(ms)
}

/** Encoding many records at once would keep other work from its turn. */
const slice = 250

/** The batch as parameters; of records with the same id the last. Lets other work have its turn in between. */
export async function encodeBatch(records: readonly UsageRecord[]): Promise<EncodedBatch> {
  const unique = [...new Map(records.map((record) => [record.id, record])).values()]
  const dimensions = new Map<string, { n: number }>()
  const literals = ['n', ...columns].map(() => '')
  let attempts = ''
  for (let from = 0; from < unique.length; from += slice) {
    if (from > 0) await setImmediate()
    const some = unique.slice(from, from + slice)
    encodeSlice(some, dimensions, literals)
    for (const record of some) attempts += `\n${JSON.stringify(record.attempts)}`
  }
  return {
    dimensions: withoutUnstorable(JSON.stringify([...dimensions.values()])),
    attempts: attempts.slice(1),
    records: literals.map((literal) => `{${literal.slice(1)}}`),
  }
}

/** Appends to each literal a comma and the value of each record. */
function encodeSlice(
  records: readonly UsageRecord[],
  dimensions: Map<string, { n: number }>,
  literals: string[],
): void {
  for (const record of records) literals[0] += `,${dimensionNumber(record, dimensions)}`
  for (const [index, value] of columns.entries()) {
    let literal = ''
    for (const record of records) literal += `,${value(record) ?? 'NULL'}`
    literals[index + 1] += literal
  }
}

function dimensionNumber(record: UsageRecord, dimensions: Map<string, { n: number }>): number {
  const key = dimensionKey(record)
  const known = dimensions.get(key)
  if (known) return known.n
  const n = dimensions.size
  dimensions.set(key, { n, ...dimensionColumns(record) })
  return n
}

function quoted(text: string | null): string | null {
  return text === null ? null : `"${storable(text).replace(/["\\]/g, String.raw`\$&`)}"`
}

function dimensionKey(r: UsageRecord): string {
  const service = `${r.routeId}\0${r.routeName}\0${r.routeRevision}\0${r.targetId}\0${r.backendId}\0${r.backendLabel}`
  const names = `${r.providerName}\0${r.deploymentName}\0${r.operation}\0${r.outcome}\0${r.stream}`
  return `${service}\0${names}\0${r.apiKeyId}\0${r.apiKeyName}\0${r.userId}\0${r.userName}`
}

function dimensionColumns(record: UsageRecord): Record<DimensionColumn, string | number | boolean | null> {
  return {
    route_id: record.routeId,
    route_name: record.routeName,
    route_revision: record.routeRevision,
    target_id: record.targetId,
    backend_id: record.backendId,
    backend_label: record.backendLabel,
    provider_id: record.providerId,
    provider_name: record.providerName,
    deployment_id: record.deploymentId,
    deployment_name: record.deploymentName,
    api_key_id: record.apiKeyId,
    api_key_name: record.apiKeyName,
    user_id: record.userId,
    user_name: record.userName,
    operation: record.operation,
    outcome: record.outcome,
    stream: record.stream,
  }
}

/** PostgreSQL takes neither U+0000 nor lone surrogates, and one such name from a client would hold up all records. */
function storable(text: string): string {
  return text.toWellFormed().replaceAll('\u0000', '\u{fffd}')
}

/** The same for JSON, where they stand as escapes. */
function withoutUnstorable(json: string): string {
  if (!/\\u(?:0000|d[89a-f])/.test(json)) return json
  return JSON.stringify(JSON.parse(json), (_key, member: unknown) =>
    typeof member === 'string' ? storable(member) : member,
  )
}
