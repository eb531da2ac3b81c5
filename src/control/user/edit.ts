import { findUserForUpdate, listActiveAdministrators, type UserDraft } from '../../storage/user/write.ts'
import type { Change } from '../change/commit.ts'
import { refuseInput, refuseOperation } from '../kit/refusal.ts'

export async function lockUser(change: Change, id: string): Promise<UserDraft> {
  const user = await findUserForUpdate(change.tx, id)
  if (!user) throw refuseInput('NOT_FOUND', ['input', 'id'], 'There is no such user.')
  return user
}

/** Throws if no other user is an active administrator. Call it within `keepAdministration`. */
export async function requireAnother(change: Change, user: UserDraft, member: string): Promise<void> {
  const administrators = await listActiveAdministrators(change.tx)
  if (administrators.length > 1 || administrators[0] !== user.id) return
  throw refuseOperation(
    'FAILED_PRECONDITION',
    `${user.name} is the last active administrator: create another one first.`,
    ['input', member],
  )
}
