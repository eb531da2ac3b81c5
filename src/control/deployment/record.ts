import type { DeploymentDraft } from '../../storage/deployment/write.ts'
import { auditChanges } from '../change/audit.ts'
import type { Change } from '../change/commit.ts'

export function record(change: Change, before: DeploymentDraft | null, after: DeploymentDraft | null): void {
  const { id } = (after ?? before)!
  change.audit(id, auditChanges(before && auditedMembers(before), after && auditedMembers(after), ['secret']))
  change.touch(id)
}

function auditedMembers(draft: DeploymentDraft): object {
  const { id: _id, revision: _revision, secretHint: _hint, ...members } = draft
  return members
}
