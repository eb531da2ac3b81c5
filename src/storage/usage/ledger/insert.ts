import { CompiledQuery } from 'kysely'
import { DatabaseError } from 'pg'
import type { UsageEntry } from '../../../routing/usage/entry.ts'
import type { UsageRecord } from '../../../routing/usage/record.ts'
import type { Db } from '../../database/db.ts'
import { createUsageEncoder, endOfLineMs } from './encoder.ts'
import { currentAbout, currentLine } from './format.ts'
import { usageInsertSql } from './insert-sql.ts'
import { createUsagePartitions, hasUsagePartition } from './partitions.ts'

/** Where entries come from: a process that numbered its records, and the spool that has its files. */
export interface UsageOrigin {
  readonly spoolId: string
  readonly runId: string
  /** Of each entry; 0: it has none. */
  readonly sequences: readonly number[]
}

/** Another gateway's retention may drop a partition again that was just made. */
const maxTries = 4

/**
 * Stores the records of `createUsageEncoder` that are not yet there, adds those to the sums of every layer, and returns how
 * many they were. One statement: however often a batch is sent and by whomever, each record counts once; of several with
 * the same id in a batch the last. Without an `origin` that holds as long as their rows are there, and with it for ever.
 *
 * Throws the driver's `DatabaseError`; `judgeFailure` tells whether sending the same again could ever help.
 */
export async function insertUsageEntries(
  db: Db,
  entries: readonly UsageEntry[],
  origin: UsageOrigin | null = null,
): Promise<number> {
  const parameters = parametersOf(entries, origin)
  for (let tries = 1; ; tries++) {
    try {
      return await runInsert(db, parameters)
    } catch (error) {
      if (!isMissingPartition(error) || tries === maxTries) throw error
      const ends = entries.map(({ line }) => endOfLineMs(line))
      if (!ends.every(hasUsagePartition)) throw new UnstorableInstant('a request that ended in no year of four digits')
      await createUsagePartitions(db, ends)
    }
  }
}

function parametersOf(entries: readonly UsageEntry[], origin: UsageOrigin | null): (string | null)[] {
  const abouts = new Set<string>()
  for (const { about } of entries) abouts.add(currentAbout(about.text))
  const numbers = origin?.sequences.map((sequence) => (sequence === 0 ? 'NULL' : sequence)) ?? []
  return [
    `{${[...abouts].join(',')}}`,
    `{${entries.map(({ line }) => currentLine(line)).join(',')}}`,
    `{${numbers.join(',')}}`,
    origin?.runId ?? null,
    origin?.spoolId ?? null,
  ]
}

/** The same for records that nobody has encoded. */
export async function insertUsageRecords(db: Db, records: readonly UsageRecord[]): Promise<number> {
  const encoder = createUsageEncoder()
  return await insertUsageEntries(
    db,
    records.map((record) => encoder.encode(record)),
  )
}

class UnstorableInstant extends Error {
  override name = 'UnstorableInstant'
}

/**
 * What a failure says of the records that were sent. `REFUSED`: they will never be taken. `PASSING`: nothing can be taken now, whatever it
 * is. `UNCLEAR`: it could be either.
 */
export type FailureKind = 'REFUSED' | 'PASSING' | 'UNCLEAR'

/**
 * By SQLSTATE class: data and constraints (22, 23) refuse, a missing partition aside, which can be made; connections, transactions,
 * resources, locks, operators and systems (08, 25, 28, 40, 53, 55, 57, 58), and what is no answer of the database, pass.
 */
export function judgeFailure(error: unknown): FailureKind {
  if (error instanceof UnstorableInstant) return 'REFUSED'
  if (error instanceof TypeError || error instanceof RangeError) return 'UNCLEAR'
  if (!(error instanceof DatabaseError) || isMissingPartition(error)) return 'PASSING'
  if (/^2[23]/.test(error.code ?? '')) return 'REFUSED'
  return /^(08|25|28|40|53|55|57|58)/.test(error.code ?? '') ? 'PASSING' : 'UNCLEAR'
}

async function runInsert(db: Db, parameters: readonly (string | null)[]): Promise<number> {
  const result = await db.executeQuery<{ inserted: number }>(CompiledQuery.raw(usageInsertSql, [...parameters]))
  return result.rows[0]!.inserted
}

function isMissingPartition(error: unknown): boolean {
  return error instanceof DatabaseError && error.code === '23514' && error.message.startsWith('no partition')
}
