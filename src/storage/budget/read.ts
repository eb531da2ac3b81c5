import type { Selectable } from 'kysely'
import { isAmong } from '../database/among.ts'
import type { Db } from '../database/db.ts'
import { type LimitFilter, matchesLimit } from '../limit/read.ts'
import { byId, type Page, type PageRequest, readPage } from '../database/page.ts'
import type { BudgetTable } from './tables.ts'

export type BudgetRow = Selectable<BudgetTable>

/** One page of the budgets, in order of creation. */
export function listBudgets(db: Db, filter: LimitFilter, request: PageRequest): Promise<Page<BudgetRow>> {
  return readPage(db.selectFrom('budget').selectAll('budget').where(matchesLimit(filter)), byId('budget.id'), request)
}

export async function countBudgets(db: Db, filter: LimitFilter): Promise<number> {
  const row = await db
    .selectFrom('budget')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where(matchesLimit(filter))
    .executeTakeFirstOrThrow()
  return row.count
}

export function listBudgetsByIds(db: Db, ids: readonly string[]): Promise<BudgetRow[]> {
  return db.selectFrom('budget').selectAll().where(isAmong('id', ids)).execute()
}
