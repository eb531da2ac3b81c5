import type { UserDraft } from '../../storage/user/write.ts'
import { auditChanges } from '../change/audit.ts'
import type { Change } from '../change/commit.ts'

export function record(change: Change, before: UserDraft | null, after: UserDraft | null): void {
  const { id } = (after ?? before)!
  change.audit(id, auditChanges(before && auditedMembers(before), after && auditedMembers(after)))
  change.touch(id)
}

function auditedMembers({ name, role, state }: UserDraft): object {
  return { name, role, state }
}
