import { isDeepStrictEqual } from 'node:util'
import type { BudgetAction, BudgetPeriod } from '../../routing/limits/limit.ts'
import { type BudgetDraft, updateBudget as writeBudget } from '../../storage/budget/write.ts'
import { collectMembers } from '../kit/collect-faults.ts'
import { commitChange, type EditInput } from '../change/commit.ts'
import type { Actor, Answer, ControlContext } from '../kit/context.ts'
import { requireRevision } from '../change/require-revision.ts'
import { lockBudget } from './lock.ts'
import { requireAmount, requireTimeZone, requireWarnings } from './members.ts'
import { recordBudget } from './record.ts'

export interface BudgetUpdateInput extends EditInput {
  readonly id: string
  readonly amount?: string | null | undefined
  readonly period?: BudgetPeriod | null | undefined
  readonly timeZone?: string | null | undefined
  readonly warnAt?: readonly number[] | null | undefined
  readonly onExhausted?: BudgetAction | null | undefined
  /** USD; null: the budget does not hold back requests to backends without a price. */
  readonly unpricedReserve?: string | null | undefined
}

/**
 * Changes the given members; the subject and the dimensions stay. A new period or time zone begins another period, and a raise of the
 * earlier period ends. The value is the budget's id.
 */
export function updateBudget(control: ControlContext, actor: Actor, input: BudgetUpdateInput): Promise<Answer<string>> {
  return commitChange(control, { actor, action: 'budgetUpdate', input }, async (change) => {
    const before = await lockBudget(change, input.id)
    requireRevision(before, input.expectedRevision)
    const after = withUpdates(before, input)
    if (isDeepStrictEqual(before, after)) return before.id
    await writeBudget(change.tx, after)
    recordBudget(change, before, after)
    return before.id
  })
}

function withUpdates(before: BudgetDraft, input: BudgetUpdateInput): BudgetDraft {
  const members = collectMembers({
    amount: () => (input.amount == null ? before.amount : requireAmount(input.amount, ['input', 'amount'])),
    timeZone: () => (input.timeZone == null ? before.timeZone : requireTimeZone(input.timeZone, ['input', 'timeZone'])),
    warnAt: () => (input.warnAt == null ? before.warnAt : requireWarnings(input.warnAt, ['input', 'warnAt'])),
    unpricedReserve: () => resolveReserve(before, input.unpricedReserve),
  })
  const period = input.period ?? before.period
  const isSamePeriod = period === before.period && members.timeZone === before.timeZone
  return {
    ...before,
    ...members,
    period,
    onExhausted: input.onExhausted ?? before.onExhausted,
    raise: isSamePeriod ? before.raise : null,
  }
}

function resolveReserve(before: BudgetDraft, given: string | null | undefined): string | null {
  if (given === undefined) return before.unpricedReserve
  return given === null ? null : requireAmount(given, ['input', 'unpricedReserve'])
}
