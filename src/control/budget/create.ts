import type { BudgetAction, BudgetPeriod, LimitDimension } from '../../routing/limits/limit.ts'
import { type BudgetDraft, insertBudget } from '../../storage/budget/write.ts'
import { createId } from '../../storage/database/create-id.ts'
import { FaultCollector } from '../kit/collect-faults.ts'
import { type Change, commitChange, type CreateInput } from '../change/commit.ts'
import type { Actor, Answer, ControlContext } from '../kit/context.ts'
import { makeOnce } from '../change/idempotency.ts'
import { type LimitSubjectInput, requireDimensions, resolveLimitSubject } from '../limit-subject/resolve.ts'
import { requireAmount, requireTimeZone, requireWarnings } from './members.ts'
import { recordBudget } from './record.ts'

export interface BudgetCreateInput extends CreateInput {
  readonly subject: LimitSubjectInput
  readonly per?: readonly LimitDimension[]
  /** USD. */
  readonly amount: string
  readonly period?: BudgetPeriod
  readonly timeZone?: string
  readonly warnAt?: readonly number[]
  readonly onExhausted?: BudgetAction
  /** USD; omitted or null: the budget does not hold back requests to backends without a price. */
  readonly unpricedReserve?: string | null | undefined
}

/** Makes a budget. The value is its id. */
export function createBudget(control: ControlContext, actor: Actor, input: BudgetCreateInput): Promise<Answer<string>> {
  return commitChange(control, { actor, action: 'budgetCreate', input }, async (change) => {
    const { budgetId } = await makeOnce(change, input, 'budgetId', async () => {
      const draft = await draftBudget(change, input)
      await insertBudget(change.tx, draft)
      recordBudget(change, null, draft)
      return { budgetId: draft.id }
    })
    return budgetId
  })
}

async function draftBudget(change: Change, input: BudgetCreateInput): Promise<BudgetDraft> {
  const { unpricedReserve = null } = input
  const faults = new FaultCollector()
  const subject = await faults.attemptAsync(() => resolveLimitSubject(change, input.subject, ['input', 'subject']))
  const per = faults.attempt(() => requireDimensions(input.per ?? [], ['input', 'per']))
  const amount = faults.attempt(() => requireAmount(input.amount, ['input', 'amount']))
  const timeZone = faults.attempt(() => requireTimeZone(input.timeZone ?? 'UTC', ['input', 'timeZone']))
  const warnAt = faults.attempt(() => requireWarnings(input.warnAt ?? [0.8], ['input', 'warnAt']))
  const reserve = faults.attempt(() => unpricedReserve && requireAmount(unpricedReserve, ['input', 'unpricedReserve']))
  faults.throwAny()
  return {
    id: createId('Budget'),
    revision: 1,
    subject: subject!,
    per: per!,
    amount: amount!,
    period: input.period ?? 'MONTH',
    timeZone: timeZone!,
    warnAt: warnAt!,
    onExhausted: input.onExhausted ?? 'REFUSE',
    unpricedReserve: reserve ?? null,
    raise: null,
  }
}
