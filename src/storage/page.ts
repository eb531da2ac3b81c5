import { type Expression, type SelectQueryBuilder, sql, type SqlBool } from 'kysely'
import type { Db } from './database.ts'
import type { Tables } from './tables.ts'

/** Which part of a list to read. A list is ordered by id; so a page stays where it is while others insert and delete. */
export interface PageRequest {
  /** Most rows. */
  readonly limit: number
  /** Only what stands behind this id; null: from the begin. */
  readonly after: string | null
  /** Only what stands before this id; null: to the end. */
  readonly before: string | null
  /** Whether the last ones of that part are wanted, not the first ones. */
  readonly fromEnd: boolean
}

export interface Page<Row> {
  /** In the order of the list, also if they were read from its end. */
  readonly rows: readonly Row[]
  /** Whether the part has more rows: behind these, or before them if they were read from the end. */
  readonly hasMore: boolean
}

/** Order of ids is order of creation. */
export type ListOrder = 'OLDEST_FIRST' | 'NEWEST_FIRST'

/** Reads one page of `query`, whose rows are ordered by the id in `column`. */
export async function readPage<From extends keyof Tables, Row>(
  query: SelectQueryBuilder<Tables, From, Row>,
  column: string,
  order: ListOrder,
  request: PageRequest,
): Promise<Page<Row>> {
  return pageOf(await restrictToPage(query, column, order, request).execute(), request)
}

/**
 * Reads the same page of the lists of many parents in one statement; parents without rows are left out. `listOf` makes the
 * query of one parent's list, given its id as an expression.
 */
export async function readPages<Row extends { id: string }>(
  db: Db,
  parentIds: readonly string[],
  listOf: (parentId: Expression<string>) => PageableQuery<Row>,
  column: string,
  order: ListOrder,
  request: PageRequest,
): Promise<Map<string, Page<Row>>> {
  const { rows } = await sql<Row & { parent_id: string }>`
    select parent.id as parent_id, child.*
    from unnest(${[...new Set(parentIds)]}::text[]) as parent (id)
    cross join lateral ${restrictToPage(listOf(sql.ref('parent.id')), column, order, request)} as child
    order by parent.id, child.id ${sql.raw(isDescending(order, request) ? 'desc' : 'asc')}`.execute(db)
  const byParent = Map.groupBy(rows, (row) => row.parent_id)
  return new Map([...byParent].map(([parentId, children]) => [parentId, pageOf(children, request)]))
}

/** The part of a query that a page needs. */
export interface PageableQuery<Row> extends Expression<Row> {
  where(condition: Expression<SqlBool>): PageableQuery<Row>
  orderBy(order: Expression<unknown>): PageableQuery<Row>
  limit(limit: number): PageableQuery<Row>
}

function restrictToPage<Query extends Restrictable<Query>>(
  query: Query,
  column: string,
  order: ListOrder,
  request: PageRequest,
): Query {
  const { limit, after, before } = request
  const isNewestFirst = order === 'NEWEST_FIRST'
  const lower = isNewestFirst ? before : after
  const upper = isNewestFirst ? after : before
  const id = sql.ref(column)
  let part = query
  if (lower !== null) part = part.where(sql<SqlBool>`${id} > ${lower}`)
  if (upper !== null) part = part.where(sql<SqlBool>`${id} < ${upper}`)
  // One more than asked for tells whether there are more.
  return part.orderBy(sql`${id} ${sql.raw(isDescending(order, request) ? 'desc' : 'asc')}`).limit(limit + 1)
}

interface Restrictable<Query> {
  where(condition: Expression<SqlBool>): Query
  orderBy(order: Expression<unknown>): Query
  limit(limit: number): Query
}

function isDescending(order: ListOrder, { fromEnd }: PageRequest): boolean {
  return (order === 'NEWEST_FIRST') !== fromEnd
}

function pageOf<Row>(found: readonly Row[], { limit, fromEnd }: PageRequest): Page<Row> {
  const rows = found.slice(0, limit)
  return { rows: fromEnd ? rows.reverse() : rows, hasMore: found.length > limit }
}
