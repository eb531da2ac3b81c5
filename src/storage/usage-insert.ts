import { CompiledQuery } from 'kysely'
import { DatabaseError } from 'pg'
import type { UsageEntry } from '../routing/usage-entry.ts'
import type { UsageRecord } from '../routing/usage-record.ts'
import type { Db } from './database.ts'
import { createUsageEncoder, endOfLineMs } from './usage-encoder.ts'
import { usageInsertSql } from './usage-insert-sql.ts'
import { createUsagePartitions } from './usage-partitions.ts'

/**
 * Stores the records of `createUsageEncoder` that are not yet there, adds those to the sums of every layer, and returns how
 * many they were. One statement: however often a batch is sent and by whomever, each record counts once; of several with
 * the same id in a batch the last.
 *
 * Throws the driver's `DatabaseError`; `isRefusal` tells whether sending the same again could ever help.
 */
export async function insertUsageEntries(db: Db, entries: readonly UsageEntry[]): Promise<number> {
  if (entries.length === 0) return 0
  const abouts = new Set<string>()
  for (const { about } of entries) abouts.add(about.text)
  const parameters = [`{${[...abouts].join(',')}}`, `{${entries.map(({ line }) => line).join(',')}}`]
  try {
    return await runInsert(db, parameters)
  } catch (error) {
    if (!isMissingPartition(error)) throw error
    await createUsagePartitions(
      db,
      entries.map(({ line }) => endOfLineMs(line)),
    )
    return await runInsert(db, parameters)
  }
}

/** The same for records that nobody has encoded. */
export async function insertUsageRecords(db: Db, records: readonly UsageRecord[]): Promise<number> {
  const encoder = createUsageEncoder()
  return await insertUsageEntries(
    db,
    records.map((record) => encoder.encode(record)),
  )
}

/** Whether the database refused what was sent, and not just could not take it now (SQLSTATE classes 22 and 23). */
export function isRefusal(error: unknown): boolean {
  return error instanceof DatabaseError && /^2[23]/.test(error.code ?? '')
}

async function runInsert(db: Db, parameters: readonly string[]): Promise<number> {
  const result = await db.executeQuery<{ inserted: number }>(CompiledQuery.raw(usageInsertSql, [...parameters]))
  return result.rows[0]!.inserted
}

function isMissingPartition(error: unknown): boolean {
  return error instanceof DatabaseError && error.code === '23514' && error.message.startsWith('no partition')
}
