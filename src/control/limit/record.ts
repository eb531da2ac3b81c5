import type { RateLimitDraft } from '../../storage/limit/write.ts'
import { auditChanges } from '../change/audit.ts'
import type { Change } from '../change/commit.ts'

/** Records that a rate limit was made, changed or deleted. */
export function recordRateLimit(change: Change, before: RateLimitDraft | null, after: RateLimitDraft | null): void {
  const { id } = (after ?? before)!
  change.audit(id, auditChanges(before && auditedMembers(before), after && auditedMembers(after)))
  change.touch(id)
}

function auditedMembers({ id: _id, revision: _revision, ...members }: RateLimitDraft): object {
  return members
}
