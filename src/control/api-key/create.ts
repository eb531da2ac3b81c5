import type { ApiKeyScope } from '../../routing/config/vocabulary.ts'
import { type ApiKeyDraft, insertApiKey } from '../../storage/api-key/write.ts'
import { createId } from '../../storage/database/create-id.ts'
import { maySeeKeysOf, requireWithin } from './authority.ts'
import { type ApiKeySecret, createApiKeySecret } from './secret.ts'
import { FaultCollector } from '../kit/collect-faults.ts'
import { type Change, commitChange, type CreateInput } from '../change/commit.ts'
import type { Actor, Answer, ControlContext } from '../kit/context.ts'
import { makeOnce } from '../change/idempotency.ts'
import { refuseInput, refuseOperation } from '../kit/refusal.ts'
import { requireName } from '../kit/text.ts'
import { requireOwner, resolveScopes, resolveRouteIds, requireFuture } from './members.ts'
import { recordApiKey } from './record.ts'

export interface ApiKeyCreateInput extends CreateInput {
  readonly name: string
  /** Omitted: the user of the caller. */
  readonly ownerId?: string | null | undefined
  readonly scopes?: readonly ApiKeyScope[]
  /** Omitted or null: all routes that the owner may call. */
  readonly routeIds?: readonly string[] | null | undefined
  readonly expiresAt?: Date | null | undefined
}

export interface CreatedApiKey {
  readonly apiKeyId: string
  /** The secret, returned only once: null for a repeated idempotency key, because it is not stored. */
  readonly secret: string | null
}

/**
 * Creates an API key, with no more scopes than its owner's role has. An administrator creates keys for any user. A caller with
 * `CONFIG_WRITE` creates keys for its own user, whose scopes, routes and expiry do not exceed those of the calling key.
 */
export function createApiKey(
  control: ControlContext,
  actor: Actor,
  input: ApiKeyCreateInput,
): Promise<Answer<CreatedApiKey>> {
  return commitChange(control, { actor, action: 'apiKeyCreate', input }, async (change) => {
    const ownerId = requireOwnerId(actor, input.ownerId)
    await requireWithin(change, {
      scopes: input.scopes ?? ['INFERENCE'],
      routeIds: input.routeIds ?? null,
      expiresAt: input.expiresAt ?? null,
    })
    let secret: string | null = null
    const { apiKeyId } = await makeOnce(change, input, 'apiKeyId', async () => {
      const made = createApiKeySecret()
      const draft = await draftApiKey(change, ownerId, input, made)
      await addApiKey(change, draft)
      secret = made.secret
      return { apiKeyId: draft.id }
    })
    return { apiKeyId, secret }
  })
}

/** Throws the same error for another user and for a user that does not exist. */
function requireOwnerId(actor: Actor, ownerId: string | null | undefined): string {
  const id = ownerId ?? actor.userId
  if (id === null)
    throw refuseInput(
      'INVALID',
      ['input', 'ownerId'],
      'The caller is not a user: name the owner of the key in `ownerId`.',
    )
  if (!maySeeKeysOf(actor, id))
    throw refuseOperation('FORBIDDEN', 'Only administrators create keys for other users.', ['input', 'ownerId'])
  return id
}

async function draftApiKey(
  change: Change,
  ownerId: string,
  input: ApiKeyCreateInput,
  { prefix, hash }: ApiKeySecret,
): Promise<ApiKeyDraft> {
  const faults = new FaultCollector()
  const name = faults.attempt(() => requireName(input.name, ['input', 'name']))
  const owner = await faults.attemptAsync(() => requireOwner(change, ownerId))
  const scopes = owner && faults.attempt(() => resolveScopes(input.scopes ?? ['INFERENCE'], owner))
  const routeIds = await faults.attemptAsync(() => resolveRouteIds(change, input.routeIds))
  const expiresAt = faults.attempt(() => requireFuture(input.expiresAt))
  faults.throwAny()
  return {
    id: createId('ApiKey'),
    revision: 1,
    name: name!,
    ownerId,
    prefix,
    hash,
    earlierSecrets: [],
    scopes: scopes!,
    routeIds: routeIds ?? null,
    expiresAt: expiresAt ?? null,
    revokedAt: null,
  }
}

/** Writes a new key within a change. */
export async function addApiKey(change: Change, draft: ApiKeyDraft): Promise<void> {
  await insertApiKey(change.tx, draft)
  recordApiKey(change, null, draft)
}
