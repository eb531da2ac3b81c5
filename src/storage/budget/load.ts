import type { Selectable } from 'kysely'
import { canonicalDecimal } from '../../routing/usage/decimal.ts'
import type { Budget } from '../../routing/limits/limit.ts'
import { amongIds } from '../database/among.ts'
import type { Db } from '../database/db.ts'
import { subjectOf } from '../limit/subject.ts'
import type { BudgetTable } from './tables.ts'

/** Budgets as they are configured; `ids` undefined: all. */
export async function loadBudgets(db: Db, ids?: readonly string[]): Promise<Budget[]> {
  const rows = await db.selectFrom('budget').selectAll().where(amongIds('id', ids)).orderBy('id').execute()
  return rows.map(budgetOf)
}

/** The configured members of a row. */
export function budgetOf(row: Selectable<BudgetTable>): Budget {
  return {
    id: row.id,
    revision: row.revision,
    subject: subjectOf(row),
    per: row.per,
    amount: canonicalDecimal(row.amount),
    period: row.period,
    timeZone: row.time_zone,
    warnAt: row.warn_at,
    onExhausted: row.on_exhausted,
    unpricedReserve: row.unpriced_reserve === null ? null : canonicalDecimal(row.unpriced_reserve),
    raise: row.raise_period_start && {
      periodStartMs: row.raise_period_start.getTime(),
      amount: canonicalDecimal(row.raise_amount!),
    },
  }
}
