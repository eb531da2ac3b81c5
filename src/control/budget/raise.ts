import { addDecimals } from '../../routing/usage/decimal.ts'
import { periodAt } from '../../routing/limits/budget-period.ts'
import { type BudgetDraft, updateBudget } from '../../storage/budget/write.ts'
import { type Change, commitChange, type CreateInput, type EditInput } from '../change/commit.ts'
import type { Actor, Answer, ControlContext } from '../kit/context.ts'
import { makeOnce } from '../change/idempotency.ts'
import { refuseInput } from '../kit/refusal.ts'
import { requireRevision } from '../change/require-revision.ts'
import { lockBudget } from './lock.ts'
import { requireAmount } from './members.ts'
import { recordBudget } from './record.ts'

export interface BudgetRaiseInput extends EditInput, CreateInput {
  readonly id: string
  /** USD, added to what earlier raises of the running period added. */
  readonly amount: string
}

/** Adds money to the running period only. The value is the budget's id. */
export function raiseBudget(control: ControlContext, actor: Actor, input: BudgetRaiseInput): Promise<Answer<string>> {
  return commitChange(control, { actor, action: 'budgetRaise', input }, async (change) => {
    const before = await lockBudget(change, input.id)
    await makeOnce(change, input, 'budgetId', async () => {
      requireRevision(before, input.expectedRevision)
      await raise(change, before, requireAmount(input.amount, ['input', 'amount']))
      return { budgetId: before.id }
    })
    return before.id
  })
}

async function raise(change: Change, before: BudgetDraft, added: string): Promise<void> {
  const { startMs } = periodAt(before.period, before.timeZone, Date.now())
  const earlier = before.raise?.periodStartMs === startMs ? before.raise.amount : '0'
  const amount = addDecimals(earlier, added)
  if (amount.split('.')[0]!.length > 12)
    throw refuseInput('INVALID', ['input', 'amount'], 'Together with earlier raises it is less than 10^12 USD.')
  const after = { ...before, raise: { periodStartMs: startMs, amount } }
  await updateBudget(change.tx, after)
  recordBudget(change, before, after)
}
