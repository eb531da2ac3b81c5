import type { ApiKeyDraft } from '../../storage/api-key/write.ts'
import { auditChanges } from '../change/audit.ts'
import type { Change } from '../change/commit.ts'

/** Records that a key was made, changed or deleted. */
export function recordApiKey(change: Change, before: ApiKeyDraft | null, after: ApiKeyDraft | null): void {
  const { id } = (after ?? before)!
  change.audit(id, auditChanges(before && auditedMembers(before), after && auditedMembers(after)))
  change.touch(id)
}

function auditedMembers(draft: ApiKeyDraft): object {
  const { name, ownerId, prefix, scopes, routeIds, expiresAt, revokedAt, earlierSecrets } = draft
  const earlierSecretsUntil = earlierSecrets.map(({ untilMs }) => new Date(untilMs))
  return { name, ownerId, prefix, scopes, routeIds, expiresAt, revokedAt, earlierSecretsUntil }
}
