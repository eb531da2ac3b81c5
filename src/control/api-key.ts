import { isDeepStrictEqual } from 'node:util'
import { type ApiKeyScope, apiKeyScopes } from '../routing/vocabulary.ts'
import { listExistingRouteIds } from '../storage/access.ts'
import { type ApiKeyDraft, findApiKeyForUpdate, insertApiKey, updateApiKey as writeApiKey } from '../storage/api-key.ts'
import { createId } from '../storage/create-id.ts'
import { findUser, type UserDraft } from '../storage/user.ts'
import { scopesOfRole } from './actor.ts'
import { type ApiKeySecret, createApiKeySecret } from './api-key-secret.ts'
import { auditChanges } from './audit-changes.ts'
import { type Change, commitChange } from './commit-change.ts'
import type { Actor, Answer, Control, Propagation } from './control.ts'
import { makeOnce } from './idempotency.ts'
import { refuseInput, refuseOperation } from './refusal.ts'
import { requireRevision } from './revision.ts'
import { requireName } from './text.ts'

const maxRoutes = 1_000

export interface ApiKeyCreateInput {
  readonly name: string
  /** Omitted: the caller. */
  readonly ownerId?: string | null | undefined
  readonly scopes?: readonly ApiKeyScope[]
  /** Omitted or null: all that its owner may. */
  readonly routeIds?: readonly string[] | null | undefined
  readonly expiresAt?: Date | null | undefined
  readonly idempotencyKey?: string | null | undefined
}

export interface CreatedApiKey {
  readonly apiKeyId: string
  /** Shown this once; null if the idempotency key came again, because it is not kept. */
  readonly secret: string | null
}

/**
 * Makes an API key, with no more scopes than its owner's role has. Administrators make keys for anyone; who may change the
 * configuration makes keys for itself, with no more scopes than its own key has.
 */
export function createApiKey(control: Control, actor: Actor, input: ApiKeyCreateInput): Promise<Answer<CreatedApiKey>> {
  return commitChange(control, { actor, action: 'apiKeyCreate' }, async (change) => {
    const ownerId = requireOwnerId(actor, input.ownerId)
    let secret: string | null = null
    const { apiKeyId } = await makeOnce(change, input.idempotencyKey, input, async () => {
      const made = createApiKeySecret()
      const draft = await draftApiKey(change, ownerId, input, made)
      await addApiKey(change, draft)
      secret = made.secret
      return { apiKeyId: draft.id }
    })
    return { apiKeyId, secret }
  })
}

/** Says the same of a foreign user and of one that does not exist. */
function requireOwnerId(actor: Actor, ownerId: string | null | undefined): string {
  const id = ownerId ?? actor.userId
  if (id === null) throw refuseInput('INVALID', ['input', 'ownerId'], 'The caller is no user: say whose key it is.')
  if (!mayManageKeysOf(actor, id))
    throw refuseOperation('FORBIDDEN', 'Only administrators make keys for others.', ['input', 'ownerId'])
  return id
}

function mayManageKeysOf(actor: Actor, ownerId: string): boolean {
  return actor.scopes.has('ADMIN') || (actor.scopes.has('CONFIG_WRITE') && ownerId === actor.userId)
}

async function draftApiKey(
  change: Change,
  ownerId: string,
  input: ApiKeyCreateInput,
  { prefix, hash }: ApiKeySecret,
): Promise<ApiKeyDraft> {
  requireName(input.name, ['input', 'name'])
  const owner = await findUser(change.tx, ownerId)
  if (!owner) throw refuseInput('NOT_FOUND', ['input', 'ownerId'], 'There is no such user.')
  return {
    id: createId('ApiKey'),
    revision: 1,
    name: input.name,
    ownerId,
    prefix,
    hash,
    scopes: resolveScopes(input.scopes ?? ['INFERENCE'], owner, change.actor),
    routeIds: await resolveRouteIds(change, input.routeIds),
    expiresAt: requireFuture(input.expiresAt),
    revokedAt: null,
  }
}

function resolveScopes(scopes: readonly ApiKeyScope[], owner: UserDraft, actor: Actor): ApiKeyScope[] {
  const path = ['input', 'scopes']
  if (scopes.length === 0) throw refuseInput('INVALID', path, 'A key without a scope could do nothing.')
  for (const [index, scope] of scopes.entries()) {
    const at = [...path, String(index)]
    if (!scopesOfRole[owner.role].has(scope))
      throw refuseOperation('FORBIDDEN', `${owner.name} is ${owner.role}, which does not include ${scope}.`, at)
    if (!actor.scopes.has('ADMIN') && !actor.scopes.has(scope))
      throw refuseOperation('FORBIDDEN', `The calling key does not have the scope ${scope} itself.`, at)
  }
  return apiKeyScopes.filter((scope) => scopes.includes(scope))
}

async function resolveRouteIds(change: Change, ids: readonly string[] | null | undefined): Promise<string[] | null> {
  if (ids == null) return null
  const path = ['input', 'routeIds']
  if (ids.length > maxRoutes)
    throw refuseInput('LIMIT_EXCEEDED', path, `A key is bound to at most ${maxRoutes} routes.`)
  const existing = new Set(await listExistingRouteIds(change.tx, ids))
  const index = ids.findIndex((id) => !existing.has(id))
  if (index >= 0) throw refuseInput('NOT_FOUND', [...path, String(index)], 'There is no such route.')
  return [...existing].sort()
}

function requireFuture(expiresAt: Date | null | undefined): Date | null {
  if (expiresAt == null) return null
  if (!(expiresAt.getTime() > Date.now()))
    throw refuseInput('INVALID', ['input', 'expiresAt'], 'A key expires in the future; to end it now, revoke it.')
  return expiresAt
}

/** Writes a new key within a change. */
export async function addApiKey(change: Change, draft: ApiKeyDraft): Promise<void> {
  await insertApiKey(change.tx, draft)
  await record(change, null, draft)
}

export interface ApiKeyUpdateInput {
  readonly id: string
  readonly expectedRevision?: number | null | undefined
  readonly name?: string | null | undefined
  /** Null: all that its owner may. */
  readonly routeIds?: readonly string[] | null | undefined
  /** Null: never. */
  readonly expiresAt?: Date | null | undefined
}

/** Changes what is given; omitted members stay. The value is the key's id. */
export function updateApiKey(control: Control, actor: Actor, input: ApiKeyUpdateInput): Promise<Answer<string>> {
  return commitChange(control, { actor, action: 'apiKeyUpdate' }, async (change) => {
    const before = await lockApiKey(change, input.id)
    requireRevision(before, input.expectedRevision)
    if (before.revokedAt)
      throw refuseOperation('FAILED_PRECONDITION', 'The key is revoked: it stays so. Make a new one.', ['input', 'id'])
    if (input.name != null) requireName(input.name, ['input', 'name'])
    const after: ApiKeyDraft = {
      ...before,
      name: input.name ?? before.name,
      routeIds: input.routeIds === undefined ? before.routeIds : await resolveRouteIds(change, input.routeIds),
      expiresAt: isSameInstant(before.expiresAt, input.expiresAt) ? before.expiresAt : requireFuture(input.expiresAt),
    }
    await writeIfChanged(change, before, after)
    return before.id
  })
}

/** Whether the expiry stays: omitted, or given as it is, even if that is over. */
function isSameInstant(before: Date | null, given: Date | null | undefined): boolean {
  return given === undefined || (given?.getTime() ?? null) === (before?.getTime() ?? null)
}

export interface ApiKeyRevokeInput {
  readonly id: string
  readonly waitFor?: Propagation
}

/** Revokes a key for ever; one that is revoked already stays as it is. The value is the key's id. */
export function revokeApiKey(control: Control, actor: Actor, input: ApiKeyRevokeInput): Promise<Answer<string>> {
  const { id, waitFor = 'APPLIED' } = input
  return commitChange(control, { actor, action: 'apiKeyRevoke', waitFor }, async (change) => {
    const before = await lockApiKey(change, id)
    await writeIfChanged(change, before, { ...before, revokedAt: before.revokedAt ?? new Date() })
    return before.id
  })
}

/** A key of another user looks like one that does not exist to whoever may not manage it. */
async function lockApiKey(change: Change, id: string): Promise<ApiKeyDraft> {
  const apiKey = await findApiKeyForUpdate(change.tx, id)
  if (!apiKey || !mayManageKeysOf(change.actor, apiKey.ownerId))
    throw refuseInput('NOT_FOUND', ['input', 'id'], 'There is no such API key.')
  return apiKey
}

/** Writes a locked key within a change, unless it is as it shall be. */
export async function writeIfChanged(change: Change, before: ApiKeyDraft, after: ApiKeyDraft): Promise<void> {
  if (isDeepStrictEqual(before, after)) return
  await writeApiKey(change.tx, before, after)
  await record(change, before, after)
}

async function record(change: Change, before: ApiKeyDraft | null, after: ApiKeyDraft): Promise<void> {
  await change.audit(after.id, auditChanges(before && auditedMembers(before), auditedMembers(after)))
  change.touch(after.id)
}

function auditedMembers({ name, ownerId, prefix, scopes, routeIds, expiresAt, revokedAt }: ApiKeyDraft): object {
  return { name, ownerId, prefix, scopes, routeIds, expiresAt, revokedAt }
}
