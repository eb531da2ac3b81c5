import { afterAll, beforeAll, expect, test } from 'vitest'
import { upsertGateway } from '../../src/storage/gateway.ts'
import { addDeployment } from './objects.ts'
import { openTestApi, type TestApi } from './open-api.ts'

let api: TestApi
beforeAll(async () => {
  api = await openTestApi()
})
afterAll(async () => {
  await api[Symbol.asyncDispose]()
})

interface ConfigStatus {
  readonly version: number
  readonly appliedVersion: number
  readonly gateways: readonly { readonly id: string; readonly appliedVersion: number; readonly build: string }[]
}

async function status(): Promise<ConfigStatus> {
  const data = await api.graphql.request<{ configStatus: ConfigStatus }>(
    '{ configStatus { version appliedVersion gateways { id appliedVersion build } } }',
  )
  return data.configStatus
}

const report = (id: string, appliedVersion: number) =>
  upsertGateway(api.control.db, {
    id,
    appliedVersion,
    appliedAt: new Date(),
    inFlight: 0,
    pendingUsageRecords: 0,
    startedAt: new Date(),
    build: 'test',
    health: {},
    endpointInFlight: {},
  })

test('without a gateway the latest version is the applied one', async () => {
  const { version } = api.control.snapshots.current()
  expect(await status()).toEqual({ version, appliedVersion: version, gateways: [] })
})

test('the applied version is that of the gateway that is furthest behind', async () => {
  await addDeployment(api.graphql, { name: 'change' })
  const { version } = api.control.snapshots.current()
  await report('gateway-behind', version - 1)
  await report('gateway-ahead', version)
  const behind = await status()
  expect(behind).toMatchObject({ version, appliedVersion: version - 1 })
  expect(behind.gateways.map(({ id }) => id).toSorted()).toEqual(['gateway-ahead', 'gateway-behind'])
  await report('gateway-behind', version)
  expect(await status()).toMatchObject({ version, appliedVersion: version })
})
