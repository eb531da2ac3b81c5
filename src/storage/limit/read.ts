import { type Expression, type Selectable, sql, type SqlBool } from 'kysely'
import { installationId } from '../../routing/config/object-id.ts'
import { isAmong } from '../database/among.ts'
import type { Db } from '../database/db.ts'
import { byId, type Page, type PageRequest, readPage } from '../database/page.ts'
import type { RateLimitTable } from './tables.ts'

export type RateLimitRow = Selectable<RateLimitTable>

/** Which limits or budgets a list has. */
export interface LimitFilter {
  /** Of this subject; that of the installation included. Null: of any. */
  readonly subjectId: string | null
  /** Only these; null: all. */
  readonly ids: readonly string[] | null
}

/** One page of the rate limits, in order of creation. */
export function listRateLimits(db: Db, filter: LimitFilter, request: PageRequest): Promise<Page<RateLimitRow>> {
  return readPage(
    db.selectFrom('rate_limit').selectAll('rate_limit').where(matchesLimit(filter)),
    byId('rate_limit.id'),
    request,
  )
}

export async function countRateLimits(db: Db, filter: LimitFilter): Promise<number> {
  const row = await db
    .selectFrom('rate_limit')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where(matchesLimit(filter))
    .executeTakeFirstOrThrow()
  return row.count
}

export function listRateLimitsByIds(db: Db, ids: readonly string[]): Promise<RateLimitRow[]> {
  return db.selectFrom('rate_limit').selectAll().where(isAmong('id', ids)).execute()
}

/** The condition of a filter on a table of limits or budgets. */
export function matchesLimit({ subjectId, ids }: LimitFilter): Expression<SqlBool> {
  const conditions = [
    ...(subjectId === null ? [] : [isAbout(subjectId)]),
    ...(ids === null ? [] : [isAmong('id', ids)]),
    sql<SqlBool>`true`,
  ]
  return sql<SqlBool>`(${sql.join(conditions, sql` and `)})`
}

function isAbout(subjectId: string): Expression<SqlBool> {
  return subjectId === installationId ? sql`subject_kind = 'INSTALLATION'` : sql`subject_id = ${subjectId}`
}
