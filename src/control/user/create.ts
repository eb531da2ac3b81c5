import { isDeepStrictEqual } from 'node:util'
import type { ServingState, UserRole } from '../../routing/config/vocabulary.ts'
import { type ApiKeyDraft, lockApiKeysOfOwner } from '../../storage/api-key/write.ts'
import { createId } from '../../storage/database/create-id.ts'
import {
  deleteUser,
  findUserForUpdate,
  insertUser,
  listActiveAdministrators,
  listRouteIdsWithAccessOf,
  updateUser as writeUser,
  type UserDraft,
} from '../../storage/user/write.ts'
import { keepAdministration } from '../api-key/keep-administration.ts'
import { recordApiKey } from '../api-key/create.ts'
import { auditChanges } from '../change/audit.ts'
import { type Change, commitChange, type CreateInput, type EditInput } from '../change/commit.ts'
import type { Actor, Answer, ControlContext } from '../kit/context.ts'
import { editRoute } from '../route/edit.ts'
import { dropLimits } from '../limit/drop.ts'
import { makeOnce } from '../change/idempotency.ts'
import { refuseInput, refuseOperation } from '../kit/refusal.ts'
import { requireRevision } from '../change/require-revision.ts'
import { requireName } from '../kit/text.ts'

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

export interface UserUpdateInput extends EditInput {
  readonly id: string
  readonly name?: string | null | undefined
  readonly role?: UserRole | null | undefined
  readonly state?: ServingState | null | undefined
}

/**
 * Changes what is given; omitted and null members stay. The keys of a user that is not active are refused at once. The
 * last active administrator stays one, and so does the owner of the last key with the scope `ADMIN`. The value is the user's id.
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

export interface UserDeleteInput extends EditInput {
  readonly id: string
}

/**
 * Removes a user with its keys, and both from the access of routes; the last active administrator and the owner of the last key
 * with the scope `ADMIN` stay. The value is the user's id.
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
        // Both are locked, so no route can take them into its access after this.
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

async function lockUser(change: Change, id: string): Promise<UserDraft> {
  const user = await findUserForUpdate(change.tx, id)
  if (!user) throw refuseInput('NOT_FOUND', ['input', 'id'], 'There is no such user.')
  return user
}

/** Throws if no other user is an active administrator. Call it where the administration is kept: see `keepAdministration`. */
async function requireAnother(change: Change, user: UserDraft, member: string): Promise<void> {
  const administrators = await listActiveAdministrators(change.tx)
  if (administrators.length > 1 || administrators[0] !== user.id) return
  throw refuseOperation(
    'FAILED_PRECONDITION',
    `${user.name} is the last active administrator: make another one first.`,
    ['input', member],
  )
}

function record(change: Change, before: UserDraft | null, after: UserDraft | null): void {
  const { id } = (after ?? before)!
  change.audit(id, auditChanges(before && auditedMembers(before), after && auditedMembers(after)))
  change.touch(id)
}

function auditedMembers({ name, role, state }: UserDraft): object {
  return { name, role, state }
}
