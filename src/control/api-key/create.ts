import { isDeepStrictEqual } from 'node:util'
import { type ApiKeyScope, apiKeyScopes } from '../../routing/config/vocabulary.ts'
import { listExistingRouteIds } from '../../storage/database/existing-ids.ts'
import {
  type ApiKeyDraft,
  findApiKeyScopes,
  insertApiKey,
  listUncallableGrants,
  updateApiKey as writeApiKey,
} from '../../storage/api-key/write.ts'
import { createId } from '../../storage/database/create-id.ts'
import { findUser, type UserDraft } from '../../storage/user/write.ts'
import { scopesOfRole } from '../kit/actor.ts'
import { keepAdministration } from './keep-administration.ts'
import { lockManagedKey, maySeeKeysOf, requireWithin } from './authority.ts'
import { type ApiKeySecret, createApiKeySecret, environmentPrefix } from './secret.ts'
import { auditChanges } from '../change/audit.ts'
import { collectEach, FaultCollector } from '../kit/collect-faults.ts'
import { type Change, commitChange, type CreateInput, type EditInput } from '../change/commit.ts'
import type { Actor, Answer, ControlContext } from '../kit/context.ts'
import { dropLimits } from '../limit/drop.ts'
import { makeOnce } from '../change/idempotency.ts'
import { refuseInput, refuseOperation } from '../kit/refusal.ts'
import { requireRevision } from '../change/require-revision.ts'
import { requireName } from '../kit/text.ts'

const maxRoutes = 1_000
/** Secrets that are still good after they were replaced. */
const maxEarlierSecrets = 3
const maxOverlapMs = 30 * 86_400_000

export interface ApiKeyCreateInput extends CreateInput {
  readonly name: string
  /** Omitted: the caller. */
  readonly ownerId?: string | null | undefined
  readonly scopes?: readonly ApiKeyScope[]
  /** Omitted or null: all that its owner may. */
  readonly routeIds?: readonly string[] | null | undefined
  readonly expiresAt?: Date | null | undefined
}

export interface CreatedApiKey {
  readonly apiKeyId: string
  /** Shown this once; null if the idempotency key came again, because it is not kept. */
  readonly secret: string | null
}

/**
 * Makes an API key, with no more scopes than its owner's role has. Administrators make keys for anyone; who may change the
 * configuration makes keys for itself, with no more scopes and routes and no more time than its own key has.
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

/** Says the same of a foreign user and of one that does not exist. */
function requireOwnerId(actor: Actor, ownerId: string | null | undefined): string {
  const id = ownerId ?? actor.userId
  if (id === null) throw refuseInput('INVALID', ['input', 'ownerId'], 'The caller is no user: say whose key it is.')
  if (!maySeeKeysOf(actor, id))
    throw refuseOperation('FORBIDDEN', 'Only administrators make keys for others.', ['input', 'ownerId'])
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

async function requireOwner(change: Change, id: string): Promise<UserDraft> {
  const owner = await findUser(change.tx, id)
  if (!owner) throw refuseInput('NOT_FOUND', ['input', 'ownerId'], 'There is no such user.')
  return owner
}

function resolveScopes(scopes: readonly ApiKeyScope[], owner: UserDraft): ApiKeyScope[] {
  const path = ['input', 'scopes']
  if (scopes.length === 0) throw refuseInput('INVALID', path, 'A key without a scope could do nothing.')
  collectEach(scopes, (scope, index) => {
    if (!scopesOfRole[owner.role].has(scope))
      throw refuseOperation('FORBIDDEN', `${owner.name} is ${owner.role}, which does not include ${scope}.`, [
        ...path,
        String(index),
      ])
  })
  return apiKeyScopes.filter((scope) => scopes.includes(scope))
}

async function resolveRouteIds(change: Change, ids: readonly string[] | null | undefined): Promise<string[] | null> {
  if (ids == null) return null
  const path = ['input', 'routeIds']
  if (ids.length > maxRoutes)
    throw refuseInput('LIMIT_EXCEEDED', path, `A key is bound to at most ${maxRoutes} routes.`)
  const existing = new Set(await listExistingRouteIds(change.tx, ids))
  collectEach(ids, (id, index) => {
    if (!existing.has(id)) throw refuseInput('NOT_FOUND', [...path, String(index)], 'There is no such route.')
  })
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
  recordApiKey(change, null, draft)
}

export interface ApiKeyUpdateInput extends EditInput {
  readonly id: string
  readonly name?: string | null | undefined
  /** Null: all that its owner may. */
  readonly routeIds?: readonly string[] | null | undefined
  /** Null: never. */
  readonly expiresAt?: Date | null | undefined
}

/** Changes what is given; omitted members stay. The value is the key's id. */
export function updateApiKey(control: ControlContext, actor: Actor, input: ApiKeyUpdateInput): Promise<Answer<string>> {
  return commitChange(control, { actor, action: 'apiKeyUpdate', input }, (change) =>
    editApiKey(change, input, ['input', 'expiresAt'], async (before) => {
      requireUnrevoked(before)
      const given = { ...before, routeIds: withDefault(input.routeIds, before.routeIds) }
      await requireWithin(change, { ...given, expiresAt: withDefault(input.expiresAt, before.expiresAt) })
      const faults = new FaultCollector()
      const name = input.name == null ? before.name : faults.attempt(() => requireName(input.name!, ['input', 'name']))
      const routeIds =
        input.routeIds === undefined
          ? before.routeIds
          : await faults.attemptAsync(() => resolveRouteIds(change, input.routeIds))
      const expiresAt = faults.attempt(() => resolveExpiry(before, input.expiresAt))
      faults.throwAny()
      return { ...before, name: name!, routeIds: routeIds ?? null, expiresAt: expiresAt ?? null }
    }),
  )
}

function withDefault<T>(given: T | undefined, before: T): T {
  return given === undefined ? before : given
}

/** An expiry that is given as it is stays, even if it is over. */
function resolveExpiry(before: ApiKeyDraft, given: Date | null | undefined): Date | null {
  const isSame = given === undefined || (given?.getTime() ?? null) === (before.expiresAt?.getTime() ?? null)
  return isSame ? before.expiresAt : requireFuture(given)
}

function requireUnrevoked(key: ApiKeyDraft): void {
  if (key.revokedAt)
    throw refuseOperation('FAILED_PRECONDITION', 'The key is revoked: it stays so. Make a new one.', ['input', 'id'])
}

export interface ApiKeyRevokeInput extends EditInput {
  readonly id: string
}

/** Revokes a key for ever; one that is revoked already stays as it is. The value is the key's id. */
export function revokeApiKey(control: ControlContext, actor: Actor, input: ApiKeyRevokeInput): Promise<Answer<string>> {
  return commitChange(control, { actor, action: 'apiKeyRevoke', input }, (change) =>
    editApiKey(change, input, ['input', 'id'], (before) => ({
      ...before,
      earlierSecrets: [],
      revokedAt: before.revokedAt ?? new Date(),
    })),
  )
}

export interface ApiKeyRotateInput extends EditInput, CreateInput {
  readonly id: string
  /** How long the secret that is replaced stays good; by default it ends at once. */
  readonly overlapMs?: number
  /** Omitted: as it is; null: never. */
  readonly expiresAt?: Date | null | undefined
}

/**
 * Gives a key another secret; its owner, scopes, routes and grants stay. Without an overlap all earlier secrets end at once.
 */
export function rotateApiKey(
  control: ControlContext,
  actor: Actor,
  input: ApiKeyRotateInput,
): Promise<Answer<CreatedApiKey>> {
  return commitChange(control, { actor, action: 'apiKeyRotate', input }, async (change) => {
    let secret: string | null = null
    // Whoever may not manage the key is not given an earlier answer again either.
    await manageKey(change, input.id, ['input', 'expiresAt'], (before) =>
      makeOnce(change, input, 'apiKeyId', async () => {
        requireRevision(before, input.expectedRevision)
        const made = createApiKeySecret()
        await writeIfChanged(change, before, await rotate(change, before, input, made))
        secret = made.secret
        return { apiKeyId: before.id }
      }),
    )
    return { apiKeyId: input.id, secret }
  })
}

async function rotate(
  change: Change,
  before: ApiKeyDraft,
  input: ApiKeyRotateInput,
  { prefix, hash }: ApiKeySecret,
): Promise<ApiKeyDraft> {
  requireUnrevoked(before)
  if (before.prefix === environmentPrefix)
    throw refuseOperation('FAILED_PRECONDITION', 'The key is that of SIGNALBOX_ADMIN_KEY: change the variable.', [
      'input',
      'id',
    ])
  await requireWithin(change, { ...before, expiresAt: withDefault(input.expiresAt, before.expiresAt) })
  await requireNoFurtherGrants(change, before)
  const overlapMs = requireOverlap(input.overlapMs ?? 0)
  const expiresAt = resolveExpiry(before, input.expiresAt)
  if (expiresAt && expiresAt.getTime() <= Date.now())
    throw refuseOperation('FAILED_PRECONDITION', 'The key has expired: give another `expiresAt`.', ['input', 'id'])
  return { ...before, prefix, hash, expiresAt, earlierSecrets: earlierSecretsOf(before, overlapMs) }
}

/** Who learns the secret of a key can call what the key is listed for. */
async function requireNoFurtherGrants(change: Change, key: ApiKeyDraft): Promise<void> {
  if (change.actor.scopes.has('ADMIN')) return
  if ((await listUncallableGrants(change.tx, key.id, change.actor.id)).length === 0) return
  throw refuseOperation('FORBIDDEN', 'A route lists the key in its access, and not the calling one.', ['input', 'id'])
}

function requireOverlap(overlapMs: number): number {
  if (!Number.isInteger(overlapMs) || overlapMs < 0 || overlapMs > maxOverlapMs)
    throw refuseInput('INVALID', ['input', 'overlapMs'], 'An overlap is 0 to 30 days, in milliseconds.')
  return overlapMs
}

function earlierSecretsOf({ hash, earlierSecrets }: ApiKeyDraft, overlapMs: number): ApiKeyDraft['earlierSecrets'] {
  if (overlapMs === 0) return []
  const nowMs = Date.now()
  const kept = [...earlierSecrets.filter(({ untilMs }) => untilMs > nowMs), { hash, untilMs: nowMs + overlapMs }]
  if (kept.length > maxEarlierSecrets)
    throw refuseOperation(
      'LIMIT_EXCEEDED',
      `${maxEarlierSecrets} earlier secrets are still good: wait for one to end, or rotate without an overlap, which ends them all.`,
      ['input', 'overlapMs'],
    )
  return kept
}

/** Locks a key that the caller may manage, compares the revision, and writes what `edit` makes of it. Returns its id. */
function editApiKey(
  change: Change,
  input: EditInput & { readonly id: string },
  place: readonly string[],
  edit: (before: ApiKeyDraft) => ApiKeyDraft | Promise<ApiKeyDraft>,
): Promise<string> {
  return manageKey(change, input.id, place, async (before) => {
    requireRevision(before, input.expectedRevision)
    await writeIfChanged(change, before, await edit(before))
    return before.id
  })
}

/** Does something with a locked key that the caller may manage; `place` is at fault if no administrator would be left. */
async function manageKey<T>(
  change: Change,
  id: string,
  place: readonly string[],
  work: (before: ApiKeyDraft) => Promise<T>,
): Promise<T> {
  const manage = async () => work(await lockManagedKey(change, id))
  // The scopes of a key never change.
  const scopes = await findApiKeyScopes(change.tx, id)
  return scopes?.includes('ADMIN') ? keepAdministration(change, () => place, manage) : manage()
}

/** Writes a locked key within a change, unless it is as it shall be. */
export async function writeIfChanged(change: Change, before: ApiKeyDraft, after: ApiKeyDraft): Promise<void> {
  if (isDeepStrictEqual(before, after)) return
  await writeApiKey(change.tx, before, after)
  // It stays revoked, so nothing can be used under its limits any more.
  if (after.revokedAt && !before.revokedAt) await dropLimits(change, [after.id])
  recordApiKey(change, before, after)
}

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
