import { isDeepStrictEqual } from 'node:util'
import type { ServingState, UserRole } from '../../routing/config/vocabulary.ts'
import { updateUser as writeUser, type UserDraft } from '../../storage/user/write.ts'
import { keepAdministration } from '../api-key/keep-administration.ts'
import { commitChange, type EditInput } from '../change/commit.ts'
import type { Actor, Answer, ControlContext } from '../kit/context.ts'
import { requireRevision } from '../change/require-revision.ts'
import { requireName } from '../kit/text.ts'
import { lockUser, requireAnother } from './edit.ts'
import { record } from './record.ts'

export interface UserUpdateInput extends EditInput {
  readonly id: string
  readonly name?: string | null | undefined
  readonly role?: UserRole | null | undefined
  readonly state?: ServingState | null | undefined
}

/**
 * Changes the given members; omitted and null members stay. The keys of a user that is not active are refused at once. The last active
 * administrator, and the owner of the last key with the scope `ADMIN`, must stay an active administrator. The value is the user's id.
 */
export function updateUser(control: ControlContext, actor: Actor, input: UserUpdateInput): Promise<Answer<string>> {
  return commitChange(control, { actor, action: 'userUpdate', input }, async (change) => {
    let place = 'role'
    return keepAdministration(
      change,
      () => ['input', place],
      async () => {
        const before = await lockUser(change, input.id)
        requireRevision(before, input.expectedRevision)
        const after: UserDraft = {
          ...before,
          name: input.name == null ? before.name : requireName(input.name, ['input', 'name']),
          role: input.role ?? before.role,
          state: input.state ?? before.state,
        }
        if (isDeepStrictEqual(before, after)) return before.id
        if (after.role === before.role) place = 'state'
        if (after.role !== 'ADMIN' || after.state !== 'ACTIVE') await requireAnother(change, before, place)
        await writeUser(change.tx, after)
        record(change, before, after)
        return before.id
      },
    )
  })
}
