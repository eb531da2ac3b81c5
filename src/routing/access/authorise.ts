/**
 * Who calls, and whether they may.
 *
 * - A key that is given must be good, also on a `PUBLIC` route: an application with a mistyped or revoked key learns of it at
 *   once, and not when the route is closed one day. Without any key the caller is anonymous.
 * - A key's scope and its list of routes bind it on `PUBLIC` routes too: they say what the key is for.
 * - An anonymous caller gets 401 for an unknown name, as for a name that needs a key: names cannot be guessed without one.
 * - A `DISABLED` route does not exist for clients (404). A `DRAINING` one takes no new requests (503), which only those
 *   learn who may call it.
 */
import type { ApiKeyConfiguration, UserConfiguration } from '../config/configuration.ts'
import type { GatewayErrorCode } from '../errors/gateway-errors.ts'
import type { Route, Snapshot } from '../config/snapshot.ts'

/** The caller of a request; both members are null for an anonymous caller. */
export interface Caller {
  readonly apiKey: ApiKeyConfiguration | null
  readonly user: UserConfiguration | null
}

/** Why a request is refused, as the client sees it. */
export interface AccessRefusal {
  readonly status: 401 | 403 | 404 | 503
  readonly code: GatewayErrorCode
}

export const anonymous: Caller = { apiKey: null, user: null }

const invalidApiKey: AccessRefusal = { status: 401, code: 'invalid_api_key' }
const routeNotAllowed: AccessRefusal = { status: 403, code: 'route_not_allowed' }
const modelNotFound: AccessRefusal = { status: 404, code: 'model_not_found' }
export const noTargetAvailable: AccessRefusal = { status: 503, code: 'no_target_available' }

export function isRefusal(answer: Caller | AccessRefusal): answer is AccessRefusal {
  return 'status' in answer
}

/** The caller behind a key's SHA-256 in lower-case hex (null: no key was given), or 401. */
export function authenticate(snapshot: Snapshot, keyHash: string | null, nowMs: number): Caller | AccessRefusal {
  if (keyHash === null) return anonymous
  const apiKey = findApiKey(snapshot, keyHash, nowMs)
  return apiKey ? identify(snapshot, apiKey, nowMs) : invalidApiKey
}

/** The key with this secret; undefined if there is none, or if a rotation replaced the secret and the overlap has ended. */
export function findApiKey(snapshot: Snapshot, keyHash: string, nowMs: number): ApiKeyConfiguration | undefined {
  const apiKey = snapshot.apiKeysByHash.get(keyHash)
  if (!apiKey || apiKey.hash === keyHash) return apiKey
  return apiKey.earlierSecrets.some(({ hash, untilMs }) => hash === keyHash && untilMs > nowMs) ? apiKey : undefined
}

/**
 * Whether a text has the form of a key of this installation, even if it is mistyped or revoked. Placeholders of clients that must send
 * some key (`EMPTY`, `none`, `ollama`) do not have it.
 */
export function isOfKeyForm(key: string): boolean {
  return key.startsWith('sbx_')
}

/** Whether a table of routes contains a `PUBLIC` route; computed once for each table. */
const publicTables = new WeakMap<Snapshot['routesById'], boolean>()

/** The anonymous caller, or 401 if no route is `PUBLIC`. */
export function authenticateAnonymous({ routesById }: Snapshot): Caller | AccessRefusal {
  let hasPublic = publicTables.get(routesById)
  if (hasPublic === undefined) {
    hasPublic = [...routesById.values()].some(({ access, state }) => access.policy === 'PUBLIC' && state !== 'DISABLED')
    publicTables.set(routesById, hasPublic)
  }
  return hasPublic ? anonymous : invalidApiKey
}

/** The caller with a known key, or 401 if the key is no longer accepted. */
export function identify(snapshot: Snapshot, apiKey: ApiKeyConfiguration, nowMs: number): Caller | AccessRefusal {
  if (apiKey.expiresAtMs !== null && apiKey.expiresAtMs <= nowMs) return invalidApiKey
  const user = snapshot.users.get(apiKey.ownerId)
  return user?.state === 'ACTIVE' ? { apiKey, user } : invalidApiKey
}

/** Why `caller` may not send a request to `route` (undefined: the name is unknown) now; null if it may. */
export function authorise(route: Route | undefined, caller: Caller): AccessRefusal | null {
  if (!route || route.state === 'DISABLED') return caller.apiKey ? modelNotFound : invalidApiKey
  const refusal = caller.apiKey ? authoriseKey(route, caller.apiKey) : authoriseAnonymous(route)
  if (refusal) return refusal
  return route.state === 'ACTIVE' ? null : noTargetAvailable
}

function authoriseAnonymous(route: Route): AccessRefusal | null {
  return route.access.policy === 'PUBLIC' ? null : invalidApiKey
}

function authoriseKey(route: Route, apiKey: ApiKeyConfiguration): AccessRefusal | null {
  if (!apiKey.scopes.includes('INFERENCE')) return routeNotAllowed
  if (apiKey.routeIds !== null && !apiKey.routeIds.includes(route.id)) return routeNotAllowed
  return grants(route, apiKey) ? null : routeNotAllowed
}

function grants({ access }: Route, apiKey: ApiKeyConfiguration): boolean {
  switch (access.policy) {
    case 'PUBLIC':
    case 'AUTHENTICATED':
      return true
    case 'RESTRICTED':
      return access.apiKeyIds.has(apiKey.id) || access.userIds.has(apiKey.ownerId)
  }
}

/** The active routes that `caller` may call: what `GET /v1/models` lists. */
export function* callableRoutes(snapshot: Snapshot, caller: Caller): Generator<Route> {
  for (const route of snapshot.routesById.values()) {
    if (authorise(route, caller) === null) yield route
  }
}
