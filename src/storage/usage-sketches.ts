import { sql } from 'kysely'
import type { Db } from './database.ts'
import type { RangePart } from './usage-range.ts'
import { groupKeyOf, keyColumns, selectPart, type UsageSelection } from './usage-selection.ts'
import { binsOfSketch } from './usage-sketch.ts'

/** Counts by bin. */
export interface UsageSketches {
  readonly firstByte: number[]
  readonly duration: number[]
}

/** The sketches of these parts by group key. */
export async function listSketches(
  tx: Db,
  selection: UsageSelection,
  parts: readonly RangePart[],
): Promise<Map<string, UsageSketches>> {
  const keys = keyColumns(selection)
  const columns = [
    ...keys.map((key) => sql.ref(`d.${key}`)),
    sql`r.first_byte_sketch as first_byte`,
    sql`r.duration_sketch as duration`,
  ]
  const { rows } = await sql<{ group_key: string; first_byte: string; duration: string }>`
    with part as (${sql.join(
      parts.map((part) => selectPart(selection, part, columns)),
      sql` union all `,
    )})
    select ${groupKeyOf(keys.map((key) => sql.ref(key)))} as group_key, sum(first_byte) as first_byte,
      sum(duration) as duration
    from part
    group by ${sql.join([sql`bucket_start`, ...keys.map((key) => sql.ref(key))])}
  `.execute(tx)
  return new Map(
    rows.map((row) => [
      row.group_key,
      { firstByte: binsOfSketch(row.first_byte), duration: binsOfSketch(row.duration) },
    ]),
  )
}
