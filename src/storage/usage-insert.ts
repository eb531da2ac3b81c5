import { CompiledQuery } from 'kysely'
import { DatabaseError } from 'pg'
import { endedAtMs, type UsageRecord } from '../routing/usage-record.ts'
import type { Db } from './database.ts'
import { type EncodedBatch, encodeBatch } from './usage-insert-batch.ts'
import { usageInsertSql } from './usage-insert-sql.ts'
import { createUsagePartitions } from './usage-partitions.ts'

/**
 * Stores the records that are not yet there, adds those to the sums of every layer, and returns how many they were. One
 * statement: however often a batch is sent and by whomever, each record counts once.
 *
 * Throws the driver's `DatabaseError`; `isRefusal` tells whether sending the same again could ever help.
 */
export async function insertUsageRecords(db: Db, records: readonly UsageRecord[]): Promise<number> {
  if (records.length === 0) return 0
  const batch = await encodeBatch(records)
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

async function runInsert(db: Db, batch: EncodedBatch): Promise<number> {
  const query = CompiledQuery.raw(usageInsertSql, [batch.dimensions, batch.attempts, ...batch.records])
  const result = await db.executeQuery<{ inserted: number }>(query)
  return result.rows[0]!.inserted
}

function isMissingPartition(error: unknown): boolean {
  return error instanceof DatabaseError && error.code === '23514' && error.message.startsWith('no partition')
}
