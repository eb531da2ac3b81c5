import { createHash } from 'node:crypto'
import { findApiKey, identify } from '../../routing/access/authorise.ts'
import type { ApiKeyConfiguration } from '../../routing/config/configuration.ts'
import type { Snapshot } from '../../routing/config/snapshot.ts'
import { type ApiKeyScope, apiKeyScopes, type UserRole } from '../../routing/config/vocabulary.ts'
import type { Actor } from './context.ts'

/** The scopes that a role permits: a key has no others, whatever it was created with. */
export const scopesOfRole: Readonly<Record<UserRole, ReadonlySet<ApiKeyScope>>> = {
  ADMIN: new Set(apiKeyScopes),
  OPERATOR: new Set(apiKeyScopes.filter((scope) => scope !== 'ADMIN')),
  MEMBER: new Set(['INFERENCE', 'USAGE_READ']),
}

/** The SHA-256 of a key in lower-case hex, by which it is looked up. */
export function hashApiKey(key: string): string {
  return createHash('sha256').update(key).digest('hex')
}

/**
 * The caller with this key, from the snapshot without a query; undefined if the key is unknown, revoked or expired, or its owner is not
 * active.
 */
export function actorOf(snapshot: Snapshot, keyHash: string, nowMs: number): Actor | undefined {
  const apiKey = findApiKey(snapshot, keyHash, nowMs)
  return apiKey && actorOfKey(snapshot, apiKey, nowMs)
}

function actorOfKey(snapshot: Snapshot, apiKey: ApiKeyConfiguration, nowMs: number): Actor | undefined {
  const caller = identify(snapshot, apiKey, nowMs)
  if (!('user' in caller) || !caller.user) return undefined
  const { user } = caller
  const granted = scopesOfRole[user.role]
  return {
    id: apiKey.id,
    label: `${apiKey.name} (${user.name})`,
    userId: user.id,
    role: user.role,
    scopes: new Set(apiKey.scopes.filter((scope) => granted.has(scope))),
  }
}

/** The current rights of an earlier caller, by the id of its key; undefined if the key is no longer accepted. */
export function currentActor(snapshot: Snapshot, actorId: string, nowMs: number): Actor | undefined {
  const apiKey = snapshot.apiKeysById.get(actorId)
  return apiKey && actorOfKey(snapshot, apiKey, nowMs)
}

/** When the key expires, in milliseconds since the epoch; null if it never does or the key is unknown. */
export function expiryOf(snapshot: Snapshot, actorId: string): number | null {
  return snapshot.apiKeysById.get(actorId)?.expiresAtMs ?? null
}
