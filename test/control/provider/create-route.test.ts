import { expect, test } from 'vitest'
import { createProvider } from '../../../src/control/provider/create.ts'
import { createProviderRoute, type ProviderRouteCreateInput } from '../../../src/control/provider/create-route.ts'
import { createUser } from '../../../src/control/user/create.ts'
import {
  administrator,
  expectCompiledWhole,
  openTestControl,
  refusalOf,
  type TestControl,
  valueOf,
} from '../../support/control.ts'

async function openWithProvider(...models: string[]): Promise<TestControl> {
  const control = await openTestControl()
  const input = { name: 'p', baseUrl: 'http://10.0.0.1/v1', models: models.map((upstreamModel) => ({ upstreamModel })) }
  valueOf(await createProvider(control, administrator, input))
  return control
}

function make(control: TestControl, input: Omit<ProviderRouteCreateInput, 'provider'> = {}) {
  return createProviderRoute(control, administrator, { provider: { name: 'p' }, ...input })
}

test('a route is made for the first model, named after it, with all the weight', async () => {
  await using control = await openWithProvider('bge-m3', 'gpt-4o')
  const id = valueOf(await make(control))
  const { routesById, providers } = control.snapshots.current()
  const [provider] = providers.values()
  expect(routesById.get(id)).toMatchObject({
    name: 'bge-m3',
    categories: ['EMBEDDING'],
    targets: [{ backendId: provider?.modelIds[0], weight: 100, share: 1 }],
    fallback: null,
    access: { policy: 'AUTHENTICATED' },
  })
  expect(refusalOf(await make(control))).toMatchObject({ code: 'TAKEN', path: ['input', 'name'] })
  await expectCompiledWhole(control)
})

test('the model, the name and the access can be given', async () => {
  await using control = await openWithProvider('a', 'b')
  const userId = valueOf(await createUser(control, administrator, { name: 'ada' }))
  const access = { policy: 'RESTRICTED', userIds: [userId] } as const
  const id = valueOf(await make(control, { model: 'b', name: 'mine', access }))
  expect(control.snapshots.current().routesById.get(id)).toMatchObject({
    name: 'mine',
    access: { policy: 'RESTRICTED', userIds: new Set([userId]) },
  })
  expect(refusalOf(await make(control, { model: 'c' }))).toMatchObject({ code: 'NOT_FOUND', path: ['input', 'model'] })
  const named = await make(control, { model: 'a', name: '-no-' })
  expect(refusalOf(named)).toMatchObject({ code: 'INVALID', path: ['input', 'name'] })
})

test.each([
  ['meta-llama/Llama-3.1-8B-Instruct', 'meta-llama/Llama-3.1-8B-Instruct'],
  ['@cf/meta/llama 3 (8b)', 'cf/meta/llama-3-8b'],
  [`${'x'.repeat(127)}--y`, 'x'.repeat(127)],
])('the model %s makes a route of the name %s', async (model, name) => {
  await using control = await openWithProvider(model)
  valueOf(await make(control))
  expect(control.snapshots.current().routesByName.get(name)).toBeDefined()
})

test('without a model, without a name that can be made, and without a provider it says what to do', async () => {
  await using empty = await openWithProvider()
  expect(refusalOf(await make(empty))).toMatchObject({ code: 'FAILED_PRECONDITION', path: ['input', 'provider'] })
  await using control = await openWithProvider('日本')
  expect(refusalOf(await make(control))).toMatchObject({ code: 'INVALID', path: ['input', 'name'] })
  const unknown = await createProviderRoute(control, administrator, { provider: { name: 'q' } })
  expect(refusalOf(unknown)).toMatchObject({ code: 'NOT_FOUND', path: ['input', 'provider'] })
})
