/** What a backend serves and lets through, whom it trusts, and how a route keeps requests together: from the command to the snapshot. */
import { expect, test } from 'vitest'
import { createDeployment, type DeploymentCreateInput } from '../../../src/control/deployment/create.ts'
import { updateDeployment } from '../../../src/control/deployment/update.ts'
import { createProvider, type ProviderCreateInput } from '../../../src/control/provider/create.ts'
import { updateProvider } from '../../../src/control/provider/update.ts'
import { createRoute } from '../../../src/control/route/create.ts'
import { updateRoute } from '../../../src/control/route/update.ts'
import { rollbackRoute } from '../../../src/control/route/rollback.ts'
import { defaultRequestRules, defaultTimeouts } from '../../../src/routing/config/configuration.ts'
import {
  administrator,
  expectCompiledWhole,
  openTestControl,
  refusalOf,
  type TestControl,
  valueOf,
} from '../../support/control.ts'
import { createSelfSigned } from '../../support/self-signed.ts'

const url = 'http://10.0.0.1:8000/v1'
const provider = { name: 'p', baseUrl: url, models: [{ upstreamModel: 'm' }] }

function makeDeployment(control: TestControl, input: Partial<DeploymentCreateInput> = {}) {
  return createDeployment(control, administrator, { name: 'd', endpoints: [{ url }], ...input })
}

function makeProvider(control: TestControl, input: Partial<ProviderCreateInput> = {}) {
  return createProvider(control, administrator, { ...provider, ...input })
}

test('a deployment keeps what it serves and lets through; omitted stays, null is the default again', async () => {
  await using control = await openTestControl()
  const rules = { passHeaders: ['X-Trace', 'x-trace', 'x-tenant'], addStreamUsage: false }
  const { deploymentId: id } = valueOf(
    await makeDeployment(control, {
      operations: ['/v1/chat/completions', '/v1/messages', '/v1/chat/completions'],
      contextTokens: 8_192,
      requestRules: rules,
    }),
  )
  const stored = () => control.snapshots.current().backends.get(id)!
  const settings = {
    operations: ['/v1/chat/completions', '/v1/messages'],
    contextTokens: 8_192,
    requestRules: { passHeaders: ['x-trace', 'x-tenant'], passResponseHeaders: [], addStreamUsage: false },
    caCertificates: null,
  }
  expect(stored()).toMatchObject(settings)
  const deployment = { id }
  valueOf(await updateDeployment(control, administrator, { deployment, state: 'DRAINING' }))
  expect(stored()).toMatchObject({ ...settings, state: 'DRAINING' })
  const nothing = { operations: null, contextTokens: null, requestRules: null }
  valueOf(await updateDeployment(control, administrator, { deployment, ...nothing }))
  expect(stored()).toMatchObject({ operations: null, contextTokens: null, requestRules: defaultRequestRules })
  const entries = await control.db.selectFrom('audit_entry').select('changes').orderBy('id').execute()
  expect(JSON.stringify(entries.at(-1)!.changes)).toContain('/v1/messages')
  await expectCompiledWhole(control)
})

test('a provider keeps the same, and each of its models what it serves', async () => {
  await using control = await openTestControl()
  const models = [{ upstreamModel: 'm', operations: ['/v1/embeddings'], contextTokens: 512 }, { upstreamModel: 'n' }]
  const requestRules = { passResponseHeaders: ['x-upstream-region'] }
  const id = valueOf(await makeProvider(control, { models, requestRules }))
  const upstream = () => control.snapshots.current().providers.get(id)!
  const model = (index: number) => control.snapshots.current().backends.get(upstream().modelIds[index]!)
  expect(upstream().requestRules).toEqual({ ...defaultRequestRules, ...requestRules })
  expect(model(0)).toMatchObject({ operations: ['/v1/embeddings'], contextTokens: 512 })
  expect(model(1)).toMatchObject({ operations: null, contextTokens: null })
  const reordered = [{ upstreamModel: 'n', contextTokens: 7 }, { upstreamModel: 'm' }]
  valueOf(await updateProvider(control, administrator, { provider: { id }, models: reordered }))
  expect(model(1)).toMatchObject({ upstreamModel: 'm', operations: ['/v1/embeddings'], contextTokens: 512 })
  expect(model(0)).toMatchObject({ upstreamModel: 'n', operations: null, contextTokens: 7 })
  await expectCompiledWhole(control)
})

const manyNames = Array.from({ length: 33 }, (_, i) => `x-${i}`)
const manyOperations = Array.from({ length: 65 }, (_, i) => `/v1/op${i}`)

test.each([
  [
    'a key of the client',
    { requestRules: { passHeaders: ['Authorization'] } },
    'INVALID',
    'requestRules.passHeaders.0',
  ],
  [
    'a key by another name',
    { requestRules: { passHeaders: ['a', 'x-goog-api-key'] } },
    'INVALID',
    'requestRules.passHeaders.1',
  ],
  ['cookies', { requestRules: { passHeaders: ['cookie'] } }, 'INVALID', 'requestRules.passHeaders.0'],
  ['the host', { requestRules: { passHeaders: ['host'] } }, 'INVALID', 'requestRules.passHeaders.0'],
  [
    'a hop-by-hop header',
    { requestRules: { passHeaders: ['transfer-encoding'] } },
    'INVALID',
    'requestRules.passHeaders.0',
  ],
  [
    "a header of the gateway's own",
    { requestRules: { passHeaders: ['X-Signalbox-Route'] } },
    'INVALID',
    'requestRules.passHeaders.0',
  ],
  [
    'no name of a header',
    { requestRules: { passHeaders: ['x-a: b\r\nx-c'] } },
    'INVALID',
    'requestRules.passHeaders.0',
  ],
  ['33 headers', { requestRules: { passHeaders: manyNames } }, 'LIMIT_EXCEEDED', 'requestRules.passHeaders'],
  [
    "an upstream's cookies",
    { requestRules: { passResponseHeaders: ['set-cookie'] } },
    'INVALID',
    'requestRules.passResponseHeaders.0',
  ],
  [
    'what browsers may read',
    { requestRules: { passResponseHeaders: ['access-control-allow-origin'] } },
    'INVALID',
    'requestRules.passResponseHeaders.0',
  ],
  [
    'a file for nginx to send',
    { requestRules: { passResponseHeaders: ['x-accel-redirect'] } },
    'INVALID',
    'requestRules.passResponseHeaders.0',
  ],
  [
    'what is left of the account in OpenAI’s way',
    { requestRules: { passResponseHeaders: ['x-ratelimit-remaining-requests'] } },
    'INVALID',
    'requestRules.passResponseHeaders.0',
  ],
  [
    'what is left of the account in Anthropic’s way',
    { requestRules: { passResponseHeaders: ['anthropic-ratelimit-tokens-reset'] } },
    'INVALID',
    'requestRules.passResponseHeaders.0',
  ],
  [
    'a length',
    { requestRules: { passResponseHeaders: ['content-length'] } },
    'INVALID',
    'requestRules.passResponseHeaders.0',
  ],
  ['no operation', { operations: ['chat'] }, 'INVALID', 'operations.0'],
  ['a path with a query', { operations: ['/v1/chat/completions', '/v1/a?b=c'] }, 'INVALID', 'operations.1'],
  ['a path of 200 characters', { operations: [`/v1/${'a'.repeat(200)}`] }, 'INVALID', 'operations.0'],
  ['an empty list of operations', { operations: [] }, 'INVALID', 'operations'],
  ['65 operations', { operations: manyOperations }, 'LIMIT_EXCEEDED', 'operations'],
  ['a context of nothing', { contextTokens: 0 }, 'INVALID', 'contextTokens'],
  ['no PEM', { caCertificates: 'hello' }, 'INVALID', 'caCertificates'],
  [
    'PEM that is no certificate',
    { caCertificates: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----' },
    'INVALID',
    'caCertificates',
  ],
  ['a private key', { caCertificates: '-----BEGIN PRIVATE KEY-----\nAAAA' }, 'INVALID', 'caCertificates'],
  ['70 KB of certificates', { caCertificates: ' '.repeat(70_000) + 'x' }, 'LIMIT_EXCEEDED', 'caCertificates'],
])('%s is refused where it stands', async (_what, input, code, path) => {
  await using control = await openTestControl()
  const refusal = refusalOf(await makeDeployment(control, input))
  expect(refusal).toMatchObject({ code, path: ['input', ...path.split('.')] })
  expect(control.snapshots.current().version).toBe(0)
})

test('certificates are kept without what stands around them, and shown to nobody in an error', async () => {
  await using control = await openTestControl()
  const { cert } = createSelfSigned()
  const id = valueOf(await makeProvider(control, { caCertificates: `# our authority\r\n${cert}\n# end` }))
  expect(control.snapshots.current().providers.get(id)!.caCertificates).toBe(cert)
  const broken = cert.replace(/[A-Za-z0-9]{20}/, 'x')
  const refusal = refusalOf(await updateProvider(control, administrator, { provider: { id }, caCertificates: broken }))
  expect(refusal.message).toBe('Certificate 1 cannot be read.')
  valueOf(await updateProvider(control, administrator, { provider: { id }, caCertificates: null }))
  expect(control.snapshots.current().providers.get(id)!.caCertificates).toBeNull()
})

test('a route keeps how requests stay together, and a rollback brings it back with the time-outs', async () => {
  await using control = await openTestControl()
  const { deploymentId } = valueOf(await makeDeployment(control, { enableModelRoute: false }))
  const id = valueOf(
    await createRoute(control, administrator, {
      name: 'r',
      targets: [{ backend: { id: deploymentId } }],
      affinity: 'SESSION',
      balancing: 'LEAST_IN_FLIGHT',
      rewritesModel: true,
      timeouts: { answerMs: 7_000, keepAliveMs: 9_000 },
    }),
  )
  const stored = () => control.snapshots.current().routesById.get(id)!
  const first = {
    affinity: 'SESSION',
    balancing: 'LEAST_IN_FLIGHT',
    rewritesModel: true,
    timeouts: { ...defaultTimeouts, answerMs: 7_000, keepAliveMs: 9_000 },
  }
  expect(stored()).toMatchObject(first)
  const route = { id }
  const timeouts = { keepAliveMs: null, answerMs: 8_000 }
  const second = { affinity: 'NONE', balancing: 'WEIGHTED', rewritesModel: false } as const
  valueOf(await updateRoute(control, administrator, { route, ...second, timeouts }))
  expect(stored()).toMatchObject({ ...second, timeouts: { ...defaultTimeouts, answerMs: 8_000 } })
  valueOf(await rollbackRoute(control, administrator, { route, toRevision: 1 }))
  expect(stored()).toMatchObject({ ...first, revision: 3 })
  await expectCompiledWhole(control)
})

test('a revision that an earlier version wrote says nothing of what is new: a rollback leaves that as it is', async () => {
  await using control = await openTestControl()
  const { deploymentId } = valueOf(await makeDeployment(control, { enableModelRoute: false }))
  const targets = [{ backend: { id: deploymentId } }]
  const id = valueOf(await createRoute(control, administrator, { name: 'r', targets, timeouts: { idleMs: 5 } }))
  const revision = await control.db.selectFrom('route_revision').select(['id', 'state']).executeTakeFirstOrThrow()
  const { targets: oldTargets, fallback, timeouts } = revision.state
  const { answerMs: _a, keepAliveMs: _k, ...oldTimeouts } = timeouts
  await control.db
    .updateTable('route_revision')
    .set({ state: JSON.stringify({ targets: oldTargets, fallback, timeouts: oldTimeouts }) })
    .where('id', '=', revision.id)
    .execute()
  const route = { id }
  const since = { affinity: 'SESSION', timeouts: { idleMs: 6, answerMs: 77 } } as const
  valueOf(await updateRoute(control, administrator, { route, ...since }))
  valueOf(await rollbackRoute(control, administrator, { route, toRevision: 1 }))
  expect(control.snapshots.current().routesById.get(id)).toMatchObject({
    affinity: 'SESSION',
    timeouts: { idleMs: 5, answerMs: 77 },
  })
})

test.each([
  ['answerMs', 0],
  ['keepAliveMs', 0],
  ['keepAliveMs', 86_400_001],
])('a time-out %s of %d is refused', async (name, value) => {
  await using control = await openTestControl()
  const { deploymentId } = valueOf(await makeDeployment(control, { enableModelRoute: false }))
  const targets = [{ backend: { id: deploymentId } }]
  const answer = await createRoute(control, administrator, { name: 'r', targets, timeouts: { [name]: value } })
  expect(refusalOf(answer)).toMatchObject({ code: 'INVALID', path: ['input', 'timeouts', name] })
})
