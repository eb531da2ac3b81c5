import { sql } from 'kysely'
import { latencyBinCount } from '../routing/latency-sketch.ts'
import type { Db } from './database.ts'
import type { RangePart } from './usage-range.ts'
import { groupKeyOf, keyColumns, selectPart, type UsageSelection } from './usage-selection.ts'

/** Counts by bin. */
export interface UsageSketches {
  readonly firstByte: number[]
  readonly duration: number[]
}

/**
 * The sketches of these parts by group key. The database only joins them, and the bins are added up here: in SQL that
 * takes several times as long.
 */
export async function listSketches(
  tx: Db,
  selection: UsageSelection,
  parts: readonly RangePart[],
): Promise<Map<string, UsageSketches>> {
  const keys = keyColumns(selection)
  const columns = [
    ...keys.map((key) => sql.ref(`d.${key}`)),
    sql`array_to_string(r.first_byte_sketch, ' ') as first_byte`,
    sql`array_to_string(r.duration_sketch, ' ') as duration`,
  ]
  const { rows } = await sql<{ group_key: string; first_byte: string; duration: string }>`
    with part as (${sql.join(
      parts.map((part) => selectPart(selection, part, columns)),
      sql` union all `,
    )})
    select ${groupKeyOf(keys.map((key) => sql.ref(key)))} as group_key, string_agg(first_byte, ' ') as first_byte,
      string_agg(duration, ' ') as duration
    from part
    group by ${sql.join([sql`bucket_start`, ...keys.map((key) => sql.ref(key))])}
  `.execute(tx)
  return new Map(
    rows.map((row) => [row.group_key, { firstByte: addBins(row.first_byte), duration: addBins(row.duration) }]),
  )
}

function addBins(entries: string): number[] {
  const counts = Array.from({ length: latencyBinCount }, () => 0)
  for (const text of entries.split(' ')) {
    // Empty sketches leave empty words, which add nothing.
    const entry = Number(text)
    counts[entry % 256]! += Math.floor(entry / 256)
  }
  return counts
}
