import { isDeepStrictEqual } from 'node:util'
import type { ServingState, UserRole } from '../routing/vocabulary.ts'
import { lockApiKeyIdsOfOwner } from '../storage/api-key.ts'
import { createId } from '../storage/create-id.ts'
import {
  deleteUser,
  findUserForUpdate,
  insertUser,
  listRouteIdsWithAccessOf,
  lockActiveAdministrators,
  updateUser as writeUser,
  type UserDraft,
} from '../storage/user.ts'
import { auditChanges } from './audit-changes.ts'
import { type Change, commitChange } from './commit-change.ts'
import type { Actor, Answer, Control } from './control.ts'
import { refuseInput, refuseOperation } from './refusal.ts'
import { requireRevision } from './revision.ts'
import { requireName } from './text.ts'

export interface UserCreateInput {
  readonly name: string
  readonly role?: UserRole
}

/** Makes a user. The value is its id. */
export function createUser(control: Control, actor: Actor, input: UserCreateInput): Promise<Answer<string>> {
  return commitChange(control, { actor, action: 'userCreate' }, (change) =>
    addUser(change, input.name, input.role ?? 'MEMBER'),
  )
}

/** Writes a new user within a change, and returns its id. */
export async function addUser(change: Change, name: string, role: UserRole): Promise<string> {
  requireName(name, ['input', 'name'])
  const draft: UserDraft = { id: createId('User'), revision: 1, name, role, state: 'ACTIVE' }
  await insertUser(change.tx, draft)
  await record(change, null, draft)
  return draft.id
}

export interface UserUpdateInput {
  readonly id: string
  readonly expectedRevision?: number | null | undefined
  readonly name?: string | null | undefined
  readonly role?: UserRole | null | undefined
  readonly state?: ServingState | null | undefined
}

/**
 * Changes what is given; omitted and null members stay. The keys of a user that is not active are refused at once. The
 * last active administrator stays one. The value is the user's id.
 */
export function updateUser(control: Control, actor: Actor, input: UserUpdateInput): Promise<Answer<string>> {
  return commitChange(control, { actor, action: 'userUpdate' }, async (change) => {
    if (input.name != null) requireName(input.name, ['input', 'name'])
    // Before the user: whoever locks administrators does it in the same order.
    const administrators = await lockActiveAdministrators(change.tx)
    const before = await lockUser(change, input.id)
    requireRevision(before, input.expectedRevision)
    const after: UserDraft = {
      ...before,
      name: input.name ?? before.name,
      role: input.role ?? before.role,
      state: input.state ?? before.state,
    }
    if (isDeepStrictEqual(before, after)) return before.id
    if (after.role !== 'ADMIN' || after.state !== 'ACTIVE')
      requireAnother(administrators, before, after.role === before.role ? 'state' : 'role')
    await writeUser(change.tx, after)
    await record(change, before, after)
    return before.id
  })
}

export interface UserDeleteInput {
  readonly id: string
  readonly expectedRevision?: number | null | undefined
}

/** Removes a user with its keys; the last active administrator stays. The value is the user's id. */
export function removeUser(control: Control, actor: Actor, input: UserDeleteInput): Promise<Answer<string>> {
  return commitChange(control, { actor, action: 'userDelete' }, async (change) => {
    const administrators = await lockActiveAdministrators(change.tx)
    const user = await lockUser(change, input.id)
    requireRevision(user, input.expectedRevision)
    requireAnother(administrators, user, 'id')
    // Both are locked, so no route can take them into its access after this.
    const apiKeyIds = await lockApiKeyIdsOfOwner(change.tx, user.id)
    const routeIds = await listRouteIdsWithAccessOf(change.tx, user.id)
    await deleteUser(change.tx, user.id)
    await change.audit(user.id, auditChanges({ ...auditedMembers(user), apiKeyIds }, null))
    for (const id of [user.id, ...apiKeyIds, ...routeIds]) change.touch(id)
    return user.id
  })
}

async function lockUser(change: Change, id: string): Promise<UserDraft> {
  const user = await findUserForUpdate(change.tx, id)
  if (!user) throw refuseInput('NOT_FOUND', ['input', 'id'], 'There is no such user.')
  return user
}

function requireAnother(administrators: readonly string[], user: UserDraft, member: string): void {
  if (administrators.length > 1 || administrators[0] !== user.id) return
  throw refuseOperation(
    'FAILED_PRECONDITION',
    `${user.name} is the last active administrator: make another one first.`,
    ['input', member],
  )
}

async function record(change: Change, before: UserDraft | null, after: UserDraft): Promise<void> {
  await change.audit(after.id, auditChanges(before && auditedMembers(before), auditedMembers(after)))
  change.touch(after.id)
}

function auditedMembers({ name, role, state }: UserDraft): object {
  return { name, role, state }
}
