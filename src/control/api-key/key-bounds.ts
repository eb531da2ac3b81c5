import type { ApiKeyScope } from '../../routing/config/vocabulary.ts'

/** What a key may do at most. */
export interface KeyBounds {
  readonly scopes: readonly ApiKeyScope[]
  /** Null: all routes that the owner may call. */
  readonly routeIds: readonly string[] | null
  /** Null: the key does not expire. */
  readonly expiresAt: Date | null
}

/** The member by which a key exceeds a bound. `index` is the place in the list; null if the whole member exceeds it. */
export interface ExcessBound {
  readonly member: 'scopes' | 'routeIds' | 'expiresAt'
  readonly index: number | null
}

/** The first member by which `key` exceeds `bound`; undefined if it lies within. */
export function findExcess(key: KeyBounds, bound: KeyBounds): ExcessBound | undefined {
  const scope = key.scopes.findIndex((each) => !bound.scopes.includes(each))
  if (scope >= 0) return { member: 'scopes', index: scope }
  return excessOfRoutes(key.routeIds, bound.routeIds) ?? excessOfExpiry(key.expiresAt, bound.expiresAt)
}

function excessOfRoutes(routeIds: KeyBounds['routeIds'], bound: KeyBounds['routeIds']): ExcessBound | undefined {
  if (bound === null) return undefined
  if (routeIds === null) return { member: 'routeIds', index: null }
  const index = routeIds.findIndex((each) => !bound.includes(each))
  return index < 0 ? undefined : { member: 'routeIds', index }
}

function excessOfExpiry(expiresAt: Date | null, bound: Date | null): ExcessBound | undefined {
  if (bound === null || (expiresAt !== null && expiresAt <= bound)) return undefined
  return { member: 'expiresAt', index: null }
}
