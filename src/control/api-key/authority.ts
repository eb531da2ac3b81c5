/** Who may do what to which key. */
import type { ApiKeyDraft } from '../../storage/api-key/write.ts'
import { findApiKeyForShare, findApiKeyForUpdate } from '../../storage/api-key/write.ts'
import type { Change } from '../change/commit.ts'
import type { Actor } from '../kit/context.ts'
import { findExcess, type KeyBounds } from './key-bounds.ts'
import { type RefusalError, refuseInput, refuseOperation } from '../kit/refusal.ts'

/**
 * The bounds of the keys that the caller may create or manage. An administrator has none. For another caller the bound is the calling
 * key as the database has it: the snapshot of this process may not show yet that it was narrowed.
 */
export type Authority = { readonly kind: 'all' } | { readonly kind: 'within'; readonly bound: KeyBounds }

/** Throws `FORBIDDEN` if the caller may not manage any keys. */
export async function loadAuthority(change: Change): Promise<Authority> {
  const { actor } = change
  if (actor.scopes.has('ADMIN')) return { kind: 'all' }
  const key = actor.scopes.has('CONFIG_WRITE') ? await findApiKeyForShare(change.tx, actor.id) : undefined
  if (!key || key.revokedAt)
    throw refuseOperation(
      'FORBIDDEN',
      'Managing keys needs the scope ADMIN, or CONFIG_WRITE for keys of the same owner.',
    )
  return { kind: 'within', bound: { ...key, scopes: key.scopes.filter((scope) => actor.scopes.has(scope)) } }
}

/** Whether the caller may see the keys of this user. */
export function maySeeKeysOf(actor: Actor, ownerId: string): boolean {
  return actor.scopes.has('ADMIN') || ownerId === actor.userId
}

/**
 * Locks the key and returns it, if the caller may manage it. Without `ADMIN` the caller manages only keys of its user that lie within
 * the calling key, and not the calling key itself. A key of another user looks like a key that does not exist.
 */
export async function lockManagedKey(change: Change, id: string): Promise<ApiKeyDraft> {
  const authority = await loadAuthority(change)
  const apiKey = await findApiKeyForUpdate(change.tx, id)
  if (!apiKey || !maySeeKeysOf(change.actor, apiKey.ownerId))
    throw refuseInput('NOT_FOUND', ['input', 'id'], 'There is no such API key.')
  if (authority.kind === 'all') return apiKey
  if (apiKey.id === change.actor.id)
    throw refuseOperation('FORBIDDEN', 'A key without the scope ADMIN does not manage itself.', ['input', 'id'])
  const excess = findExcess(apiKey, authority.bound)
  if (excess)
    throw refuseOperation('FORBIDDEN', `The key exceeds the calling key by its ${excess.member}.`, ['input', 'id'])
  return apiKey
}

const memberNames = { scopes: 'scopes', routeIds: 'routes', expiresAt: 'time' } as const

/** Throws `FORBIDDEN` at the path of the member that exceeds what the caller may grant. */
export async function requireWithin(change: Change, key: KeyBounds): Promise<void> {
  const authority = await loadAuthority(change)
  const excess = authority.kind === 'within' ? findExcess(key, authority.bound) : undefined
  if (excess) throw refuseReach(excess.member, excess.index)
}

function refuseReach(member: keyof typeof memberNames, index: number | null): RefusalError {
  const path = ['input', member, ...(index === null ? [] : [String(index)])]
  const remedy = index === null ? ` Give ${member} within the calling key's.` : ''
  return refuseOperation(
    'FORBIDDEN',
    `Without the scope ADMIN a key cannot create or change a key that exceeds it, here by its ${memberNames[member]}.${remedy}`,
    path,
  )
}
