/** Whoever fills in a form wrongly at five places is told of five places. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createApiKey } from '../../../src/control/api-key/create.ts'
import { updateApiKey } from '../../../src/control/api-key/update.ts'
import type { Answer } from '../../../src/control/kit/context.ts'
import { createDeployment } from '../../../src/control/deployment/create.ts'
import { updateDeployment } from '../../../src/control/deployment/update.ts'
import { createProvider } from '../../../src/control/provider/create.ts'
import { updateProvider } from '../../../src/control/provider/update.ts'
import { createProviderRoute } from '../../../src/control/provider/create-route.ts'
import { createRoute } from '../../../src/control/route/create.ts'
import { updateRoute } from '../../../src/control/route/update.ts'
import { setRouteAccess } from '../../../src/control/route/access.ts'
import { setRouteTargets } from '../../../src/control/route/targets.ts'
import { setRouteTraffic } from '../../../src/control/route/traffic.ts'
import { createUser } from '../../../src/control/user/create.ts'
import { administrator, openTestControl, type TestControl, valueOf } from '../../support/control.ts'

let control: TestControl
let ownerId: string
let apiKeyId: string
beforeAll(async () => {
  control = await openTestControl()
  const endpoints = [{ url: 'http://10.0.0.1/v1' }]
  valueOf(await createDeployment(control, administrator, { name: 'own', endpoints }))
  const models = [{ upstreamModel: 'model' }]
  valueOf(await createProvider(control, administrator, { name: 'bought', baseUrl: 'http://10.0.0.2/v1', models }))
  ownerId = valueOf(await createUser(control, administrator, { name: 'ada' }))
  apiKeyId = valueOf(await createApiKey(control, administrator, { name: 'app', ownerId })).apiKeyId
})
afterAll(async () => {
  await control[Symbol.asyncDispose]()
})

const faultsOf = (answer: Answer<unknown>): string[] => {
  if (answer.ok) throw new Error('It was done.')
  return answer.refusals.map(({ code, path }) => `${code} ${path?.slice(1).join('.')}`).toSorted()
}
const past = new Date(0)
const unknownId = 'rte_00000000000000000000000000'
const negative = { inputPerMillion: '-1', outputPerMillion: 'x', cachedInputPerMillion: '1.' }

test('of a route to be made', async () => {
  const answer = await createRoute(control, administrator, {
    name: ' ',
    description: 'x'.repeat(4_097),
    targets: [
      { backend: { deployment: 'own' }, weight: -1 },
      { backend: { deployment: 'nowhere' } },
      { backend: { providerModel: { provider: 'bought', model: 'nowhere' } }, weight: 0.5 },
    ],
    fallback: { backends: [{ deployment: 'nowhere' }, { deployment: 'own' }], triggers: [], maxAttempts: 0 },
    timeouts: { connectMs: 0 },
    access: { policy: 'RESTRICTED', userIds: [ownerId, 'nobody'], apiKeyIds: ['nobody', 'nobody-either'] },
  })
  expect(faultsOf(answer)).toEqual([
    'INVALID description',
    'INVALID fallback.backends.1',
    'INVALID fallback.maxAttempts',
    'INVALID fallback.triggers',
    'INVALID name',
    'INVALID targets.0.weight',
    'INVALID targets.2.weight',
    'INVALID timeouts.connectMs',
    'NOT_FOUND access.apiKeyIds.0',
    'NOT_FOUND access.apiKeyIds.1',
    'NOT_FOUND access.userIds.1',
    'NOT_FOUND fallback.backends.0',
    'NOT_FOUND targets.1.backend',
    'NOT_FOUND targets.2.backend',
  ])
})

test('of the parts of a route', async () => {
  const route = { name: 'own' }
  const description = 'x'.repeat(4_097)
  expect(
    faultsOf(await updateRoute(control, administrator, { route, description, name: '!', timeouts: { totalMs: -1 } })),
  ).toEqual(['INVALID description', 'INVALID name', 'INVALID timeouts.totalMs'])
  const targets = [
    { backend: { deployment: 'nowhere' } },
    { backend: { deployment: 'own' } },
    { backend: { deployment: 'own' }, weight: 2_000_000 },
  ]
  expect(faultsOf(await setRouteTargets(control, administrator, { route, targets }))).toEqual([
    'INVALID targets.2.backend',
    'INVALID targets.2.weight',
    'NOT_FOUND targets.0.backend',
  ])
  const weights = ['a', 'own', 'b'].map((deployment) => ({ target: { deployment }, weight: 1 }))
  expect(faultsOf(await setRouteTraffic(control, administrator, { route, weights }))).toEqual([
    'NOT_FOUND weights.0.target',
    'NOT_FOUND weights.2.target',
  ])
  const access = { policy: 'AUTHENTICATED', userIds: ['nobody'], apiKeyIds: [apiKeyId] } as const
  expect(faultsOf(await setRouteAccess(control, administrator, { route, access }))).toEqual([
    'INVALID access.policy',
    'NOT_FOUND access.userIds.0',
  ])
})

const wrongDeployment = {
  name: 'not a route',
  description: 'x'.repeat(4_097),
  upstreamModel: '',
  categories: [],
  pricing: negative,
  operations: ['chat', '/v1/chat/completions', 'embeddings'],
  contextTokens: 0,
  endpoints: [{ url: 'ftp://10.0.0.1', weight: 0 }, { url: 'http://10.0.0.1/v1' }, { url: 'nothing', maxInFlight: 0 }],
  healthCheck: { path: 'health', intervalMs: 1, timeoutMs: 1 },
  queue: { maxWaiting: -1, maxWaitMs: -1 },
  secret: 'with blanks',
}
const faultsOfDeployment = [
  'INVALID categories',
  'INVALID contextTokens',
  'INVALID description',
  'INVALID endpoints.0.url',
  'INVALID endpoints.0.weight',
  'INVALID endpoints.2.maxInFlight',
  'INVALID endpoints.2.url',
  'INVALID healthCheck.intervalMs',
  'INVALID healthCheck.path',
  'INVALID healthCheck.timeoutMs',
  'INVALID operations.0',
  'INVALID operations.2',
  'INVALID pricing.cachedInputPerMillion',
  'INVALID pricing.inputPerMillion',
  'INVALID pricing.outputPerMillion',
  'INVALID queue.maxWaitMs',
  'INVALID queue.maxWaiting',
  'INVALID secret',
  'INVALID upstreamModel',
]

test('of a deployment, and of the route that is made with it', async () => {
  const routeAccess = { policy: 'RESTRICTED', userIds: ['nobody'] } as const
  expect(faultsOf(await createDeployment(control, administrator, { ...wrongDeployment, routeAccess }))).toEqual(
    [...faultsOfDeployment, 'INVALID name', 'NOT_FOUND routeAccess.userIds.0'].toSorted(),
  )
  // The name is good for a deployment alone.
  const alone = { ...wrongDeployment, enableModelRoute: false }
  expect(faultsOf(await createDeployment(control, administrator, alone))).toEqual(faultsOfDeployment)
  const update = { ...wrongDeployment, upstreamModel: '\n', deployment: { name: 'own' } }
  expect(faultsOf(await updateDeployment(control, administrator, update))).toEqual(faultsOfDeployment)
})

const wrongProvider = {
  name: '',
  description: 'x'.repeat(4_097),
  baseUrl: 'http://10.0.0.1',
  secrets: ['good-secret', 'a b', 'good-secret'],
  headers: [
    { name: 'host', value: '' },
    { name: 'x-good', value: 'good' },
    { name: 'X-Good', value: 'good' },
  ],
  proxyUrl: 'socks://10.0.0.1',
  requestRules: { passHeaders: ['authorization', 'x-a', 'b c'], passResponseHeaders: ['connection'] },
  caCertificates: 'no PEM',
  models: [
    { upstreamModel: '', categories: [] },
    { upstreamModel: 'a', pricing: negative, contextTokens: -1 },
    { upstreamModel: 'a' },
  ],
}
const faultsOfProvider = [
  'INVALID baseUrl',
  'INVALID caCertificates',
  'INVALID description',
  'INVALID headers.0.name',
  'INVALID headers.0.value',
  'INVALID headers.2.name',
  'INVALID models.0.categories',
  'INVALID models.0.upstreamModel',
  'INVALID models.1.contextTokens',
  'INVALID models.1.pricing.cachedInputPerMillion',
  'INVALID models.1.pricing.inputPerMillion',
  'INVALID models.1.pricing.outputPerMillion',
  'INVALID models.2.upstreamModel',
  'INVALID name',
  'INVALID proxyUrl',
  'INVALID requestRules.passHeaders.0',
  'INVALID requestRules.passHeaders.2',
  'INVALID requestRules.passResponseHeaders.0',
  'INVALID secrets.1',
  'INVALID secrets.2',
]

test('of a provider, and none of them shows what may be a secret', async () => {
  const answer = await createProvider(control, administrator, wrongProvider)
  expect(faultsOf(answer)).toEqual(faultsOfProvider)
  expect(JSON.stringify(answer)).not.toContain('good-secret')
  const provider = { name: 'bought' }
  expect(faultsOf(await updateProvider(control, administrator, { ...wrongProvider, provider }))).toEqual(
    faultsOfProvider,
  )
})

test('of a route for a provider', async () => {
  const access = { policy: 'AUTHENTICATED', userIds: [ownerId] } as const
  const answer = await createProviderRoute(control, administrator, { provider: { name: 'bought' }, name: '!', access })
  expect(faultsOf(answer)).toEqual(['INVALID access.policy', 'INVALID name'])
})

test('of an API key', async () => {
  const wrong = { name: '', routeIds: [unknownId, 'nothing'], expiresAt: past }
  const scopes = ['CONFIG_WRITE', 'INFERENCE', 'ADMIN'] as const
  expect(faultsOf(await createApiKey(control, administrator, { ...wrong, ownerId, scopes }))).toEqual([
    'FORBIDDEN scopes.0',
    'FORBIDDEN scopes.2',
    'INVALID expiresAt',
    'INVALID name',
    'NOT_FOUND routeIds.0',
    'NOT_FOUND routeIds.1',
  ])
  expect(faultsOf(await updateApiKey(control, administrator, { ...wrong, id: apiKeyId }))).toEqual([
    'INVALID expiresAt',
    'INVALID name',
    'NOT_FOUND routeIds.0',
    'NOT_FOUND routeIds.1',
  ])
})

test('a refused change leaves nothing behind', async () => {
  const names = await Promise.all(
    (['route', 'deployment', 'provider'] as const).map((table) =>
      control.db.selectFrom(table).select('name').execute(),
    ),
  )
  expect(names.flat().map(({ name }) => name)).toEqual(['own', 'own', 'bought'])
})
