import { latencyBin } from '../routing/latency-sketch.ts'
import { endedAtMs, isFailure, type UsageRecord } from '../routing/usage-record.ts'
import type { DimensionColumn } from './usage-layers.ts'

/** The parameters of the insert. */
export interface EncodedBatch {
  /** A JSON array of what the records are about, once per combination: they are few, and wide. */
  readonly dimensions: string
  /** One array literal per column: the number of the dimension, then `recordColumns`. The server reads them faster than JSON. */
  readonly records: readonly string[]
}

interface RecordColumn {
  readonly type: string
  readonly value: (record: UsageRecord) => string | number | null | undefined
}

/** What is sent of each record, beside the number of its dimension. */
export const recordColumns = {
  id: { type: 'text', value: (record) => record.id },
  started: { type: 'double precision', value: (record) => record.startedAtMs },
  ended: { type: 'double precision', value: endedAtMs },
  model: { type: 'text', value: (record) => record.requestedModel },
  status: { type: 'integer', value: (record) => record.status },
  error: { type: 'text', value: (record) => record.errorCode },
  attempts: { type: 'json', value: (record) => JSON.stringify(record.attempts) },
  tried: { type: 'bigint', value: (record) => record.attempts.length },
  failed: { type: 'bigint', value: (record) => (isFailure(record.outcome) ? 1 : 0) },
  provenance: { type: 'text', value: (record) => record.provenance },
  input: { type: 'bigint', value: (record) => record.tokens?.inputTokens },
  cached: { type: 'bigint', value: (record) => record.tokens?.cachedInputTokens },
  output: { type: 'bigint', value: (record) => record.tokens?.outputTokens },
  reasoning: { type: 'bigint', value: (record) => record.tokens?.reasoningTokens },
  cost: { type: 'numeric', value: (record) => record.cost },
  first_byte_ms: { type: 'double precision', value: (record) => record.firstByteMs },
  duration_ms: { type: 'double precision', value: (record) => record.durationMs },
  overhead_ms: { type: 'double precision', value: (record) => record.overheadMs },
  first_byte: { type: 'bigint', value: (record) => sketchEntry(record.firstByteMs) },
  duration: { type: 'bigint', value: (record) => sketchEntry(record.durationMs) },
} as const satisfies Record<string, RecordColumn>

/** One value in its bin, as an element of a sketch. */
function sketchEntry(ms: number | null): number | null {
  return ms === null ? null : 256 + latencyBin(ms)
}

/** The batch as parameters; of records with the same id the last. */
export function encodeBatch(records: readonly UsageRecord[]): EncodedBatch {
  const unique = [...new Map(records.map((record) => [record.id, record])).values()]
  const numbers = new Map<string, number>()
  const dimensions: object[] = []
  const numberOf = unique.map((record) => {
    const key = dimensionKey(record)
    let n = numbers.get(key)
    if (n === undefined) {
      n = dimensions.length
      numbers.set(key, n)
      dimensions.push({ n, ...dimensionColumns(record) })
    }
    return n
  })
  return {
    dimensions: withoutUnstorable(JSON.stringify(dimensions)),
    records: [
      `{${numberOf.join(',')}}`,
      ...Object.values(recordColumns).map(
        ({ value }) => `{${unique.map((record) => literal(value(record))).join(',')}}`,
      ),
    ],
  }
}

function literal(value: string | number | null | undefined): string {
  if (typeof value === 'number') return String(value)
  return typeof value === 'string' ? `"${storable(value).replace(/["\\]/g, '\\$&')}"` : 'NULL'
}

function dimensionKey(record: UsageRecord): string {
  return [
    record.routeId,
    record.routeName,
    record.routeRevision,
    record.targetId,
    record.backendId,
    record.backendLabel,
    record.providerName,
    record.deploymentName,
    record.apiKeyId,
    record.apiKeyName,
    record.userId,
    record.userName,
    record.operation,
    record.outcome,
    record.stream,
  ].join('\u0000')
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
