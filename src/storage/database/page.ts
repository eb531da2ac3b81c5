import { type Expression, type SelectQueryBuilder, sql, type SqlBool } from 'kysely'
import type { Db } from './db.ts'
import type { Tables } from './tables.ts'

/** Which part of a list to read. A page stays where it is while others insert and delete. */
export interface PageRequest {
  /** Most rows. */
  readonly limit: number
  /** Only rows after this place (`rowPlaceOf`); null: from the beginning. */
  readonly after: string | null
  /** Only rows before this place; null: to the end. */
  readonly before: string | null
  /** Whether to read the last rows of that part instead of the first. */
  readonly fromEnd: boolean
}

export interface Page<Row> {
  /** In the order of the list, also if they were read from its end. */
  readonly rows: readonly Row[]
  /** Whether the part has more rows: after these, or before them if they were read from the end. */
  readonly hasMore: boolean
}

/** One of the columns that a list is ordered by. */
interface OrderKey {
  readonly column: string
  readonly type: 'text' | 'bigint' | 'timestamptz'
}

/** How a list is ordered: by its keys, which together are unique, all in one direction. */
export interface ListOrder {
  readonly keys: readonly OrderKey[]
  readonly direction: 'ASC' | 'DESC'
}

/** By id, and so in the order of creation. */
export function byId(column: string, direction: ListOrder['direction'] = 'ASC'): ListOrder {
  return { keys: [{ column, type: 'text' }], direction }
}

/** What callers can order a list of objects by. */
export interface ObjectOrder {
  readonly field: 'CREATED_AT' | 'UPDATED_AT' | 'NAME'
  readonly direction: ListOrder['direction']
}

/** By a field of an object; equal rows are in order of creation. */
export function byField(table: string, { field, direction }: ObjectOrder): ListOrder {
  const id = { column: `${table}.id`, type: 'text' } as const
  switch (field) {
    case 'CREATED_AT':
      return { keys: [id], direction }
    case 'UPDATED_AT':
      return { keys: [{ column: `${table}.updated_at`, type: 'timestamptz' }, id], direction }
    case 'NAME':
      return { keys: [{ column: `${table}.name`, type: 'text' }, id], direction }
  }
}

/** A row of a list that is not ordered by `id` alone carries its place. */
export interface PlacedRow {
  readonly id: string
  readonly place?: string
}

/** The place of a row in its list, for `after` and `before`. */
export function rowPlaceOf(row: PlacedRow): string {
  return row.place ?? row.id
}

/** Reads one page of `query`. */
export async function readPage<From extends keyof Tables, Row>(
  query: SelectQueryBuilder<Tables, From, Row>,
  order: ListOrder,
  request: PageRequest,
): Promise<Page<Row & { place: string }>> {
  const placed = query.select(placeFrom(columnsOf(order)).as('place')) as unknown as PageableQuery<Row> & {
    execute(): Promise<(Row & { place: string })[]>
  }
  return pageOf(await (restrictToPage(placed, order, request) as typeof placed).execute(), request)
}

/**
 * Reads the same page of the lists of many parents in one statement; parents without rows are left out. `listOf` makes the
 * query of one parent's list, given its id as an expression.
 */
export async function readPages<Row extends { id: string }>(
  db: Db,
  parentIds: readonly string[],
  listOf: (parentId: Expression<string>) => PageableQuery<Row>,
  order: ListOrder,
  request: PageRequest,
): Promise<Map<string, Page<Row & { place: string }>>> {
  const list = restrictToPage(listOf(sql.ref('parent.id')), order, request)
  const childKeys = order.keys.map(({ column }) => sql.ref(`child.${column.split('.').at(-1)!}`))
  const { rows } = await sql<Row & { parent_id: string; place: string }>`
    select parent.id as parent_id, child.*, ${placeFrom(childKeys)} as place
    from unnest(${[...new Set(parentIds)]}::text[]) as parent (id)
    cross join lateral ${list} as child
    order by parent.id, ${sql.join(childKeys.map((key) => sql`${key} ${direction(order, request)}`))}`.execute(db)
  const byParent = Map.groupBy(rows, (row) => row.parent_id)
  return new Map([...byParent].map(([parentId, children]) => [parentId, pageOf(children, request)]))
}

function columnsOf({ keys }: ListOrder) {
  return keys.map(({ column }) => sql.ref(column))
}

/** Made by the database, because a JavaScript date would cut an instant to milliseconds. */
function placeFrom(columns: readonly Expression<unknown>[]) {
  return columns.length === 1
    ? sql<string>`${columns[0]}::text`
    : sql<string>`json_build_array(${sql.join(columns)})::text`
}

/** The part of a query that a page needs. */
export interface PageableQuery<Row> extends Expression<Row> {
  where(condition: Expression<SqlBool>): PageableQuery<Row>
  orderBy(order: Expression<unknown>): PageableQuery<Row>
  limit(limit: number): PageableQuery<Row>
}

function restrictToPage<Row>(query: PageableQuery<Row>, order: ListOrder, request: PageRequest): PageableQuery<Row> {
  const { limit, after, before } = request
  const [lower, upper] = order.direction === 'DESC' ? [before, after] : [after, before]
  const columns = columnsOf(order)
  let part = query
  if (lower !== null) part = part.where(sql<SqlBool>`(${sql.join(columns)}) > (${valuesOf(order, lower)})`)
  if (upper !== null) part = part.where(sql<SqlBool>`(${sql.join(columns)}) < (${valuesOf(order, upper)})`)
  for (const column of columns) part = part.orderBy(sql`${column} ${direction(order, request)}`)
  // One more than asked for tells whether there are more.
  return part.limit(limit + 1)
}

function valuesOf({ keys }: ListOrder, place: string) {
  const values = keys.length === 1 ? [place] : (JSON.parse(place) as string[])
  return sql.join(keys.map(({ type }, index) => sql`${values[index]}::${sql.raw(type)}`))
}

function direction(order: ListOrder, { fromEnd }: PageRequest) {
  return sql.raw((order.direction === 'DESC') === fromEnd ? 'asc' : 'desc')
}

function pageOf<Row>(found: readonly Row[], { limit, fromEnd }: PageRequest): Page<Row> {
  const rows = found.slice(0, limit)
  return { rows: fromEnd ? rows.reverse() : rows, hasMore: found.length > limit }
}
