import type { Budget } from '../../routing/limits/limit.ts'
import { isAmong } from '../database/among.ts'
import type { Tx } from '../database/db.ts'
import { subjectColumns } from '../limit/subject.ts'
import { budgetOf } from './load.ts'

/** A budget as stored, or as it will be stored. */
export type BudgetDraft = Budget

/** The budget, locked until the end of the transaction. */
export async function findBudgetForUpdate(tx: Tx, id: string): Promise<BudgetDraft | undefined> {
  const row = await tx.selectFrom('budget').selectAll().where('id', '=', id).forUpdate().executeTakeFirst()
  return row && budgetOf(row)
}

/** The budgets of these subjects, locked until the end of the transaction. */
export async function lockBudgetsOf(tx: Tx, subjectIds: readonly string[]): Promise<BudgetDraft[]> {
  const rows = await tx
    .selectFrom('budget')
    .selectAll()
    .where(isAmong('subject_id', subjectIds))
    .orderBy('id')
    .forUpdate()
    .execute()
  return rows.map(budgetOf)
}

/** Writes a new budget. */
export async function insertBudget(tx: Tx, draft: BudgetDraft): Promise<void> {
  await tx
    .insertInto('budget')
    .values({ id: draft.id, ...subjectColumns(draft.subject), per: [...draft.per], ...changeableColumns(draft) })
    .execute()
}

/** Writes the changed budget as its next revision. */
export async function updateBudget(tx: Tx, draft: BudgetDraft): Promise<void> {
  await tx
    .updateTable('budget')
    .set((eb) => ({
      ...changeableColumns(draft),
      revision: eb('revision', '+', 1),
      updated_at: eb.fn('clock_timestamp'),
    }))
    .where('id', '=', draft.id)
    .execute()
}

export async function deleteBudgets(tx: Tx, ids: readonly string[]): Promise<void> {
  await tx.deleteFrom('budget').where(isAmong('id', ids)).execute()
}

function changeableColumns(budget: Budget) {
  const { amount, period, timeZone, warnAt, onExhausted, unpricedReserve, raise } = budget
  return {
    amount,
    period,
    time_zone: timeZone,
    warn_at: [...warnAt],
    on_exhausted: onExhausted,
    unpriced_reserve: unpricedReserve,
    raise_period_start: raise && new Date(raise.periodStartMs),
    raise_amount: raise && raise.amount,
  }
}
