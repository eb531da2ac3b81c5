import { type ApiKeyDraft, lockApiKeysOfOwner } from '../../storage/api-key/write.ts'
import { deleteUser, listRouteIdsWithAccessOf, type UserDraft } from '../../storage/user/write.ts'
import { keepAdministration } from '../api-key/keep-administration.ts'
import { recordApiKey } from '../api-key/record.ts'
import { type Change, commitChange, type EditInput } from '../change/commit.ts'
import type { Actor, Answer, ControlContext } from '../kit/context.ts'
import { editRoute } from '../route/edit.ts'
import { dropLimits } from '../limit/drop.ts'
import { requireRevision } from '../change/require-revision.ts'
import { lockUser, requireAnother } from './edit.ts'
import { record } from './record.ts'

export interface UserDeleteInput extends EditInput {
  readonly id: string
}

/**
 * Removes a user and its keys, also from the access of routes. The last active administrator and the owner of the last key with the
 * scope `ADMIN` cannot be removed. The value is the user's id.
 */
export function removeUser(control: ControlContext, actor: Actor, input: UserDeleteInput): Promise<Answer<string>> {
  return commitChange(control, { actor, action: 'userDelete', input }, (change) =>
    keepAdministration(
      change,
      () => ['input', 'id'],
      async () => {
        const user = await lockUser(change, input.id)
        requireRevision(user, input.expectedRevision)
        await requireAnother(change, user, 'id')
        // User and keys are locked, so no route can add them to its access after this.
        const apiKeys = await lockApiKeysOfOwner(change.tx, user.id)
        await removeFromAccess(change, user, apiKeys)
        await dropLimits(change, [user.id, ...apiKeys.map((apiKey) => apiKey.id)])
        await deleteUser(change.tx, user.id)
        for (const apiKey of apiKeys) recordApiKey(change, apiKey, null)
        record(change, user, null)
        return user.id
      },
    ),
  )
}

/** Each route whose access changes gets a revision of its own. */
async function removeFromAccess(change: Change, user: UserDraft, apiKeys: readonly ApiKeyDraft[]): Promise<void> {
  const gone = new Set([user.id, ...apiKeys.map((apiKey) => apiKey.id)])
  const without = (ids: readonly string[]) => ids.filter((id) => !gone.has(id))
  for (const id of await listRouteIdsWithAccessOf(change.tx, user.id))
    await editRoute(change, {
      route: { id },
      kind: 'ACCESS_SET',
      edit: ({ access, ...route }) => ({
        ...route,
        access: { ...access, userIds: without(access.userIds), apiKeyIds: without(access.apiKeyIds) },
      }),
    })
}
