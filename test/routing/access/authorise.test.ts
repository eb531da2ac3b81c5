import { describe, expect, test } from 'vitest'
import {
  authenticate,
  authorise,
  anonymous,
  callableRoutes,
  isRefusal,
  type Caller,
  type AccessRefusal,
} from '../../../src/routing/access/authorise.ts'
import type { RouteConfiguration } from '../../../src/routing/config/configuration.ts'
import { matchRoute } from '../../../src/routing/access/match-route.ts'
import { apiKey, deployment, route, snapshotOf, user } from '../../support/scenario.ts'

type Access = RouteConfiguration['access']

function routeWith(
  name: string,
  access: Partial<Access>,
  state: RouteConfiguration['state'] = 'ACTIVE',
): RouteConfiguration {
  const full: Access = { policy: 'PUBLIC', userIds: [], apiKeyIds: [], ...access }
  return route({ dep: 1 }, { id: `rte-${name}`, name, access: full, state })
}

const snapshot = snapshotOf({
  deployments: [deployment('dep')],
  users: [user('ann'), user('off', { state: 'DISABLED' }), user('leaving', { state: 'DRAINING' })],
  apiKeys: [
    apiKey('good', 'ann'),
    apiKey('listed', 'ann'),
    apiKey('narrow', 'ann', { routeIds: ['rte-open'] }),
    apiKey('reader', 'ann', { scopes: ['CONFIG_READ'] }),
    apiKey('expired', 'ann', { expiresAtMs: 1_000 }),
    apiKey('of-disabled', 'off'),
    apiKey('of-draining', 'leaving'),
    apiKey('of-nobody', 'gone'),
  ],
  routes: [
    routeWith('public', { policy: 'PUBLIC' }),
    routeWith('open', { policy: 'AUTHENTICATED' }),
    routeWith('for-ann', { policy: 'RESTRICTED', userIds: ['ann'] }),
    routeWith('for-listed', { policy: 'RESTRICTED', apiKeyIds: ['listed'] }),
    routeWith('off', { policy: 'PUBLIC' }, 'DISABLED'),
    routeWith('draining', { policy: 'AUTHENTICATED' }, 'DRAINING'),
  ],
})

const nowMs = 1_000

function answer(keyId: string | null, model: string): string {
  const caller = authenticate(snapshot, keyId && `hash-${keyId}`, nowMs)
  const refusal: AccessRefusal | null = isRefusal(caller) ? caller : authorise(matchRoute(snapshot, model), caller)
  return refusal ? `${refusal.status} ${refusal.code}` : 'OK'
}

describe('a caller', () => {
  test.each([
    [null, 'public', 'OK'],
    [null, 'open', '401 invalid_api_key'],
    [null, 'for-ann', '401 invalid_api_key'],
    [null, 'unknown', '401 invalid_api_key'],
    [null, 'off', '401 invalid_api_key'],
    [null, 'draining', '401 invalid_api_key'],
    ['good', 'public', 'OK'],
    ['good', 'open', 'OK'],
    ['good', 'for-ann', 'OK'],
    ['good', 'for-listed', '403 route_not_allowed'],
    ['listed', 'for-listed', 'OK'],
    ['good', 'unknown', '404 model_not_found'],
    ['good', 'off', '404 model_not_found'],
    ['good', 'draining', '503 no_target_available'],
    ['narrow', 'open', 'OK'],
    ['narrow', 'public', '403 route_not_allowed'],
    ['narrow', 'draining', '403 route_not_allowed'],
    ['reader', 'open', '403 route_not_allowed'],
    ['reader', 'public', '403 route_not_allowed'],
    ['expired', 'open', '401 invalid_api_key'],
    ['unknown', 'open', '401 invalid_api_key'],
    ['unknown', 'public', '401 invalid_api_key'],
    ['of-disabled', 'public', '401 invalid_api_key'],
    ['of-draining', 'open', '401 invalid_api_key'],
    ['of-nobody', 'open', '401 invalid_api_key'],
  ])('with the key %s gets for %s: %s', (keyId, model, expected) => {
    expect(answer(keyId, model)).toBe(expected)
  })

  test('sees just the active routes that it may call', () => {
    const namesFor = (caller: Caller) => [...callableRoutes(snapshot, caller)].map(({ name }) => name).sort()
    const good = authenticate(snapshot, 'hash-good', nowMs)
    if (isRefusal(good)) throw new Error(good.code)
    expect(namesFor(anonymous)).toEqual(['public'])
    expect(namesFor(good)).toEqual(['for-ann', 'open', 'public'])
  })
})

test('a model matches by its exact name only', () => {
  expect(matchRoute(snapshot, 'open')?.id).toBe('rte-open')
  expect(matchRoute(snapshot, 'Open')).toBeUndefined()
  expect(matchRoute(snapshot, 'constructor')).toBeUndefined()
  expect(matchRoute(snapshot, '')).toBeUndefined()
})
