import { sql } from 'kysely'
import { DatabaseError } from 'pg'
import { latencyBin } from '../routing/latency-sketch.ts'
import { endedAtMs, isFailure, type UsageRecord } from '../routing/usage-record.ts'
import type { Db } from './database.ts'
import { usageInsertSql } from './usage-insert-sql.ts'
import type { DimensionColumn } from './usage-layers.ts'
import { createUsagePartitions } from './usage-partitions.ts'

/**
 * Stores the records that are not yet there, adds those to the sums of every layer, and returns how many they were. One
 * statement: however often a batch is sent and by whomever, each record counts once.
 *
 * Throws the driver's `DatabaseError`; `isRefusal` tells whether sending the same again could ever help.
 */
export async function insertUsageRecords(db: Db, records: readonly UsageRecord[]): Promise<number> {
  if (records.length === 0) return 0
  const batch = encodeBatch(records)
  try {
    return await runInsert(db, batch)
  } catch (error) {
    if (!isMissingPartition(error)) throw error
    await createUsagePartitions(db, records.map(endedAtMs))
    return await runInsert(db, batch)
  }
}

/** Whether the database refused what was sent, and not just could not take it now (SQLSTATE classes 22 and 23). */
export function isRefusal(error: unknown): boolean {
  return error instanceof DatabaseError && /^2[23]/.test(error.code ?? '')
}

interface Batch {
  readonly dimensions: string
  readonly records: string
}

async function runInsert(db: Db, batch: Batch): Promise<number> {
  const [beforeDimensions, beforeRecords, rest] = usageInsertSql
  const result = await sql<{ inserted: number }>`
    ${sql.raw(beforeDimensions)}${batch.dimensions}${sql.raw(beforeRecords)}${batch.records}${sql.raw(rest)}
  `.execute(db)
  return result.rows[0]!.inserted
}

function isMissingPartition(error: unknown): boolean {
  return error instanceof DatabaseError && error.code === '23514' && error.message.startsWith('no partition')
}

/** What the records are about is sent once per combination: they are few, and long. */
function encodeBatch(records: readonly UsageRecord[]): Batch {
  const numbers = new Map<string, number>()
  const dimensions: object[] = []
  const rows = new Map<string, object>()
  for (const record of records) {
    const key = dimensionKey(record)
    let n = numbers.get(key)
    if (n === undefined) {
      n = dimensions.length
      numbers.set(key, n)
      dimensions.push({ n, ...dimensionColumns(record) })
    }
    rows.set(record.id, recordColumns(record, n))
  }
  return { dimensions: toPostgresJson(dimensions), records: toPostgresJson([...rows.values()]) }
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

/** The columns of `incoming` in `usage-insert-sql.ts`. */
function recordColumns(record: UsageRecord, n: number): object {
  const { tokens } = record
  return {
    n,
    id: record.id,
    started: record.startedAtMs,
    ended: endedAtMs(record),
    model: record.requestedModel,
    status: record.status,
    error: record.errorCode,
    attempts: record.attempts,
    tried: record.attempts.length,
    failed: isFailure(record.outcome) ? 1 : 0,
    provenance: record.provenance,
    input: tokens?.inputTokens,
    cached: tokens?.cachedInputTokens,
    output: tokens?.outputTokens,
    reasoning: tokens?.reasoningTokens,
    cost: record.cost,
    first_byte_ms: record.firstByteMs,
    duration_ms: record.durationMs,
    overhead_ms: record.overheadMs,
    // As elements of a sketch: one value in this bin.
    first_byte: record.firstByteMs === null ? null : 256 + latencyBin(record.firstByteMs),
    duration: 256 + latencyBin(record.durationMs),
  }
}

/** PostgreSQL takes neither U+0000 nor lone surrogates, and one such name from a client would hold up all records. */
function toPostgresJson(value: unknown): string {
  const json = JSON.stringify(value)
  if (!/\\u(?:0000|d[89a-f])/.test(json)) return json
  return JSON.stringify(value, (_key, member: unknown) =>
    typeof member === 'string' ? member.toWellFormed().replaceAll('\u0000', '\u{fffd}') : member,
  )
}
