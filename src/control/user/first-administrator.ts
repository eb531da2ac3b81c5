import { apiKeyScopes } from '../../routing/config/vocabulary.ts'
import { countAdministratorKeys } from '../../storage/api-key/administrators.ts'
import {
  type ApiKeyDraft,
  findApiKeyByHashForUpdate,
  findApiKeyForUpdate,
  listUnrevokedApiKeyIds,
} from '../../storage/api-key/write.ts'
import { lockConfigVersion } from '../../storage/change/version.ts'
import { createId } from '../../storage/database/create-id.ts'
import { findAdministratorId, findUser, hasUsers } from '../../storage/user/write.ts'
import { hashApiKey } from '../kit/actor.ts'
import { addApiKey } from '../api-key/create.ts'
import { writeIfChanged } from '../api-key/edit.ts'
import { createApiKeySecret, environmentPrefix } from '../api-key/secret.ts'
import { type Change, commitChange } from '../change/commit.ts'
import type { Actor, ControlContext } from '../kit/context.ts'
import { addUser } from './create.ts'

const administratorName = 'admin'

/** The result of the check for an administrator at the start of a process. */
export type FirstAdministrator =
  /** The first start: this key was created, and is shown only once. */
  | { readonly kind: 'made'; readonly secret: string }
  /** The key from the environment is the key of an administrator. */
  | { readonly kind: 'given' }
  /** The key from the environment cannot be used. */
  | { readonly kind: 'unusable'; readonly reason: string }
  /** A key with the scope `ADMIN` exists, and the environment names none. */
  | { readonly kind: 'existing' }
  /** Users exist, but no key with the scope `ADMIN`, and the environment names none. */
  | { readonly kind: 'none' }

/**
 * Ensures that an administrator exists: on an empty database creates the user `admin` with a key of all scopes. If `adminKey` is given,
 * it is that key on every start; when it changes, the earlier key from the environment is revoked. A key that an operator revoked stays
 * revoked, so that a restart does not re-enable a leaked key.
 *
 * Any number of processes may run this at the same time.
 */
export async function ensureFirstAdministrator(
  control: ControlContext,
  adminKey: string | null,
): Promise<FirstAdministrator> {
  return bootstrap(control, 'bootstrap', async (change) => {
    if (adminKey !== null) return ensureKeyOfEnvironment(change, adminKey)
    if (await hasUsers(change.tx))
      return { kind: (await countAdministratorKeys(change.tx)).active > 0 ? 'existing' : 'none' }
    return { kind: 'made', secret: await makeKey(change, 'bootstrap') }
  })
}

/** Creates a key with all scopes for an administrator, who is created too if there is none. Returns the secret. */
export function createAdministratorKey(control: ControlContext): Promise<string> {
  return bootstrap(control, 'create-key', (change) => makeKey(change, 'create-key'))
}

async function bootstrap<T>(control: ControlContext, name: string, work: (change: Change) => Promise<T>): Promise<T> {
  const actor: Actor = { id: `system:${name}`, label: name, userId: null, role: 'ADMIN', scopes: new Set(apiKeyScopes) }
  const options = { actor, action: name, input: { waitFor: 'COMMITTED' } } as const
  const answer = await commitChange(control, options, async (change) => {
    // With the lock, the second of several starting processes sees what the first one has created.
    await lockConfigVersion(change.tx)
    return work(change)
  })
  if (answer.ok) return answer.value
  throw new Error(`There is no administrator, and none could be made: ${answer.refusals[0]?.message}`)
}

async function makeKey(change: Change, name: string): Promise<string> {
  const { secret, prefix, hash } = createApiKeySecret()
  await addApiKey(change, { ...(await newAdministratorKey(change)), name, prefix, hash })
  return secret
}

async function newAdministratorKey(change: Change): Promise<Omit<ApiKeyDraft, 'name' | 'prefix' | 'hash'>> {
  const ownerId =
    (await findAdministratorId(change.tx, administratorName)) ?? (await addUser(change, administratorName, 'ADMIN'))
  return {
    id: createId('ApiKey'),
    revision: 1,
    ownerId,
    scopes: apiKeyScopes,
    earlierSecrets: [],
    routeIds: null,
    expiresAt: null,
    revokedAt: null,
  }
}

async function ensureKeyOfEnvironment(change: Change, adminKey: string): Promise<FirstAdministrator> {
  const hash = hashApiKey(adminKey)
  const known = await findApiKeyByHashForUpdate(change.tx, hash)
  if (known) {
    const reason = await whyUnusable(change, known)
    return reason === null ? { kind: 'given' } : { kind: 'unusable', reason }
  }
  for (const id of await listUnrevokedApiKeyIds(change.tx, environmentPrefix)) await revoke(change, id)
  const draft = await newAdministratorKey(change)
  await addApiKey(change, { ...draft, name: environmentPrefix, prefix: environmentPrefix, hash })
  return { kind: 'given' }
}

async function revoke(change: Change, id: string): Promise<void> {
  const before = await findApiKeyForUpdate(change.tx, id)
  if (before) await writeIfChanged(change, before, { ...before, revokedAt: new Date() })
}

async function whyUnusable(change: Change, key: ApiKeyDraft): Promise<string | null> {
  if (key.revokedAt) return 'It was revoked, and stays so: set another one.'
  if (key.expiresAt && key.expiresAt.getTime() <= Date.now()) return 'It has expired: set another one.'
  const owner = await findUser(change.tx, key.ownerId)
  if (owner?.state !== 'ACTIVE') return 'Its owner is not active: set another one.'
  const isAdministrator = owner.role === 'ADMIN' && key.scopes.includes('ADMIN')
  return isAdministrator ? null : "It is an API key already, and not an administrator's: set another one."
}
