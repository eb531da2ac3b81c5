import type { UserRole } from '../../routing/config/vocabulary.ts'
import { createId } from '../../storage/database/create-id.ts'
import { insertUser, type UserDraft } from '../../storage/user/write.ts'
import { type Change, commitChange, type CreateInput } from '../change/commit.ts'
import type { Actor, Answer, ControlContext } from '../kit/context.ts'
import { makeOnce } from '../change/idempotency.ts'
import { requireName } from '../kit/text.ts'
import { record } from './record.ts'

export interface UserCreateInput extends CreateInput {
  readonly name: string
  readonly role?: UserRole
}

/** Makes a user. The value is its id. */
export function createUser(control: ControlContext, actor: Actor, input: UserCreateInput): Promise<Answer<string>> {
  return commitChange(control, { actor, action: 'userCreate', input }, async (change) => {
    const { userId } = await makeOnce(change, input, 'userId', async () => ({
      userId: await addUser(change, input.name, input.role ?? 'MEMBER'),
    }))
    return userId
  })
}

/** Writes a new user within a change, and returns its id. */
export async function addUser(change: Change, name: string, role: UserRole): Promise<string> {
  const draft: UserDraft = {
    id: createId('User'),
    revision: 1,
    name: requireName(name, ['input', 'name']),
    role,
    state: 'ACTIVE',
  }
  await insertUser(change.tx, draft)
  record(change, null, draft)
  return draft.id
}
