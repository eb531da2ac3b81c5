import { type ApiKeyScope, apiKeyScopes } from '../../routing/config/vocabulary.ts'
import { listExistingRouteIds } from '../../storage/database/existing-ids.ts'
import { findUser, type UserDraft } from '../../storage/user/write.ts'
import { scopesOfRole } from '../kit/actor.ts'
import { collectEach } from '../kit/collect-faults.ts'
import type { Change } from '../change/commit.ts'
import { refuseInput, refuseOperation } from '../kit/refusal.ts'

const maxRoutes = 1_000

export async function requireOwner(change: Change, id: string): Promise<UserDraft> {
  const owner = await findUser(change.tx, id)
  if (!owner) throw refuseInput('NOT_FOUND', ['input', 'ownerId'], 'There is no such user.')
  return owner
}

export function resolveScopes(scopes: readonly ApiKeyScope[], owner: UserDraft): ApiKeyScope[] {
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

export async function resolveRouteIds(
  change: Change,
  ids: readonly string[] | null | undefined,
): Promise<string[] | null> {
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

export function requireFuture(expiresAt: Date | null | undefined): Date | null {
  if (expiresAt == null) return null
  if (!(expiresAt.getTime() > Date.now()))
    throw refuseInput(
      'INVALID',
      ['input', 'expiresAt'],
      '`expiresAt` must be in the future. To end a key now, revoke it.',
    )
  return expiresAt
}
