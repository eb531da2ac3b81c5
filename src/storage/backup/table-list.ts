import type { Client } from 'pg'
import type { CreatedObjects } from './created-objects.ts'

/** A table whose rows are kept, without those of its partitions. */
export interface StoredTable {
  readonly name: string
  /** Those that hold values of their own; generated ones are computed again. */
  readonly columns: readonly string[]
  /** The table that it is a partition of, and of which part, as `FOR VALUES …`; null: it is none. */
  readonly partition: { readonly of: string; readonly bound: string } | null
  /** As far as the server knows. */
  readonly estimatedBytes: number
}

/** Tables about running processes, which must not be restored. */
const transientTables = ['gateway', 'migration']

/**
 * The tables of the migrations and their partitions, each after the tables that it refers to. Tables about running processes are left
 * out, and so are unlogged ones, which a crash may empty anyway.
 */
export async function listStoredTables(client: Client, { tables }: CreatedObjects): Promise<StoredTable[]> {
  const { rows } = await client.query<StoredTable & { references: string[] }>(selectTables, [
    [...tables].filter((name) => !transientTables.includes(name)),
  ])
  return inOrderOfReferences(rows)
}

const selectTables = `
  select child.relname as name,
    array(
      select attname::text from pg_attribute
      where attrelid = child.oid and attnum > 0 and not attisdropped and attgenerated = ''
      order by attnum
    ) as columns,
    case when parent.oid is not null
      then json_build_object('of', parent.relname, 'bound', pg_get_expr(child.relpartbound, child.oid))
    end as partition,
    pg_table_size(child.oid)::float8 as "estimatedBytes",
    array(
      select distinct confrelid::regclass::text from pg_constraint
      where contype = 'f' and conrelid in (child.oid, parent.oid) and confrelid <> conrelid
    ) as references
  from pg_class as child
    left join pg_inherits on pg_inherits.inhrelid = child.oid
    left join pg_class as parent on parent.oid = pg_inherits.inhparent
  where child.relnamespace = current_schema()::regnamespace and child.relkind = 'r' and child.relpersistence = 'p'
    and coalesce(parent.relname, child.relname) = any ($1)
  order by child.relname collate "C"`

function inOrderOfReferences(tables: (StoredTable & { references: string[] })[]): StoredTable[] {
  const waiting = new Map(tables.map((table) => [table.name, table]))
  const ordered: StoredTable[] = []
  while (waiting.size > 0) {
    const ready = [...waiting.values()].filter(({ references }) => !references.some((name) => waiting.has(name)))
    if (ready.length === 0)
      throw new Error(`Tables refer to one another in a circle: ${[...waiting.keys()].join(', ')}`)
    for (const { references: _, ...table } of ready) {
      ordered.push(table)
      waiting.delete(table.name)
    }
  }
  return ordered
}
