import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { findVersion } from '../../../src/storage/change/read.ts'
import { upsertGateway } from '../../../src/storage/gateway/write.ts'
import { addDeployment } from '../support/objects.ts'
import { openTestApi, type TestApi } from '../support/open-api.ts'

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

const tokenOf = async (version: number) =>
  (await findVersion(api.control.db, version))?.token ?? `no version ${version}`

const report = async (id: string, version: number, token?: string) =>
  upsertGateway(api.control.db, {
    id,
    role: 'all',
    applied: { version, token: token ?? (await tokenOf(version)) },
    host: 'test',
    encryptionKeyIds: [],
    sealingKeyId: '',
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

const silent = (id: string, seconds: number) =>
  sql`update gateway set seen_at = clock_timestamp() - make_interval(secs => ${seconds}) where id = ${id}`.execute(
    api.control.db,
  )

const states = async () => {
  const data = await api.graphql.request<{ configStatus: { gateways: { id: string; state: string }[] } }>(
    '{ configStatus { gateways { id state } } }',
  )
  return Object.fromEntries(data.configStatus.gateways.map(({ id, state }) => [id, state]))
}

const forget = async (id: string) => {
  const data = await api.graphql.request<{
    gatewayForget: { deletedId: string | null; userErrors: { code: string }[] }
  }>(
    'mutation ($id: ID!) { gatewayForget(input: { id: $id, reason: "its machine burnt" }) { deletedId userErrors { code } } }',
    { id },
  )
  return data.gatewayForget
}

test('a gateway that has lost the history of the database serves none of its versions', async () => {
  const { version } = api.control.snapshots.current()
  await report('gateway-behind', version, 'of a history that a failover has lost')
  expect(await status()).toMatchObject({ version, appliedVersion: 0 })
  await report('gateway-behind', version)
  expect(await status()).toMatchObject({ version, appliedVersion: version })
})

test('a gateway that is not heard of is lost, and forgotten after ten minutes or when told so', async () => {
  await silent('gateway-behind', 4)
  expect(await states()).toEqual({ 'gateway-ahead': 'LIVE', 'gateway-behind': 'LOST' })
  expect(await forget('gateway-ahead')).toMatchObject({
    deletedId: null,
    userErrors: [{ code: 'FAILED_PRECONDITION' }],
  })
  expect(await forget('gateway-behind')).toEqual({ deletedId: 'gateway-behind', userErrors: [] })
  expect(await forget('gateway-behind')).toMatchObject({ deletedId: null, userErrors: [{ code: 'NOT_FOUND' }] })
  expect(await states()).toEqual({ 'gateway-ahead': 'LIVE' })
  await silent('gateway-ahead', 601)
  expect(await states()).toEqual({})
})
