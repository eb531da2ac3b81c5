import { deleteBudgets, lockBudgetsOf } from '../../storage/budget/write.ts'
import { deleteRateLimits, lockRateLimitsOf } from '../../storage/limit/write.ts'
import { recordBudget } from '../budget/record.ts'
import type { Change } from '../change/commit.ts'
import { recordRateLimit } from './record.ts'

/** Deletes the limits and budgets of subjects that are being deleted, and records it in the audit log. Call it with the subjects locked. */
export async function dropLimits(change: Change, subjectIds: readonly string[]): Promise<void> {
  if (subjectIds.length === 0) return
  const rateLimits = await lockRateLimitsOf(change.tx, subjectIds)
  const budgets = await lockBudgetsOf(change.tx, subjectIds)
  if (rateLimits.length > 0) await deleteRateLimits(change.tx, idsOf(rateLimits))
  if (budgets.length > 0) await deleteBudgets(change.tx, idsOf(budgets))
  for (const rateLimit of rateLimits) recordRateLimit(change, rateLimit, null)
  for (const budget of budgets) recordBudget(change, budget, null)
}

function idsOf(objects: readonly { readonly id: string }[]): string[] {
  return objects.map(({ id }) => id)
}
