import { type BudgetDraft, findBudgetForUpdate } from '../../storage/budget/write.ts'
import type { Change } from '../change/commit.ts'
import { refuseInput } from '../kit/refusal.ts'

/** The budget, locked. Throws if there is none. */
export async function lockBudget(change: Change, id: string): Promise<BudgetDraft> {
  const budget = await findBudgetForUpdate(change.tx, id)
  if (!budget) throw refuseInput('NOT_FOUND', ['input', 'id'], 'There is no such budget.')
  return budget
}
