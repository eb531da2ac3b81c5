import { deleteBudgets } from '../../storage/budget/write.ts'
import { commitChange, type EditInput } from '../change/commit.ts'
import type { Actor, Answer, ControlContext } from '../kit/context.ts'
import { requireRevision } from '../change/require-revision.ts'
import { lockBudget } from './lock.ts'
import { recordBudget } from './record.ts'

export interface BudgetDeleteInput extends EditInput {
  readonly id: string
}

/** Removes a budget; what was spent stays in the usage. The value is its id. */
export function removeBudget(control: ControlContext, actor: Actor, input: BudgetDeleteInput): Promise<Answer<string>> {
  return commitChange(control, { actor, action: 'budgetDelete', input }, async (change) => {
    const budget = await lockBudget(change, input.id)
    requireRevision(budget, input.expectedRevision)
    await deleteBudgets(change.tx, [budget.id])
    recordBudget(change, budget, null)
    return budget.id
  })
}
