import type { BudgetDraft } from '../../storage/budget/write.ts'
import { auditChanges } from '../change/audit.ts'
import type { Change } from '../change/commit.ts'

/** Records that a budget was made, changed, raised or deleted. */
export function recordBudget(change: Change, before: BudgetDraft | null, after: BudgetDraft | null): void {
  const { id } = (after ?? before)!
  change.audit(id, auditChanges(before && auditedMembers(before), after && auditedMembers(after)))
  change.touch(id)
}

function auditedMembers({ id: _id, revision: _revision, ...members }: BudgetDraft): object {
  return members
}
