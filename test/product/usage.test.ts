/** Usage and the request log as a client of the API gets them, of requests that went through a running gateway. */
import { Client } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { clientConfig, type Database, openDatabase } from '../../src/storage/database/database.ts'
import { insertUsageRecords } from '../../src/storage/usage/ledger/insert.ts'
import { openTestDatabase } from '../support/database.ts'
import type { GraphqlClient } from '../support/graphql-client.ts'
import { type Product, startProduct } from '../support/product.ts'
import { status } from '../support/replies.ts'
import { until } from '../support/until.ts'
import { readRequestLog, readUsage, untilNothingPends } from '../support/usage-api.ts'
import { usageRecord } from '../support/usage-record.ts'
import { openUpstream, type Upstream } from '../support/upstream.ts'

let opened: AsyncDisposableStack
let database: Database
let upstream: Upstream
let product: Product
let graphql: GraphqlClient

beforeAll(async () => {
  opened = new AsyncDisposableStack()
  const { url } = opened.use(await openTestDatabase({ migrated: false }))
  upstream = opened.use(await openUpstream({ name: 'llama' }))
  product = opened.use(await startProduct({ env: { DATABASE_URL: url, SIGNALBOX_ENCRYPTION_KEY: '1'.repeat(64) } }))
  graphql = product.graphql
  database = opened.use(openDatabase({ url }))
})

afterAll(() => opened.disposeAsync())

const errors = 'userErrors { code path message }'

async function createDeployment(name: string): Promise<void> {
  await graphql.change(`mutation ($input: DeploymentCreateInput!) { deploymentCreate(input: $input) { ${errors} } }`, {
    input: { name, endpoints: [{ url: upstream.baseUrl }] },
  })
}

async function ask(key: string, body: object): Promise<{ id: string; status: number }> {
  const response = await fetch(`${product.gatewayUrl}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ messages: [], ...body }),
  })
  await response.text()
  return { id: response.headers.get('x-request-id')!, status: response.status }
}

test('the log has each request by the id that its client saw, within a moment', async () => {
  await createDeployment('logged')
  const plain = await ask(product.adminKey, { model: 'logged' })
  const streamed = await ask(product.adminKey, { model: 'logged', stream: true })
  upstream.answerNext(status(400))
  const refused = await ask(product.adminKey, { model: 'logged' })
  const unknown = await ask(product.adminKey, { model: 'nothing' })
  const denied = await ask('sbx_nobody', { model: 'logged' })
  const found = []
  for (const { id } of [plain, streamed, refused, unknown, denied])
    found.push(await until(() => readRequestLog(graphql, id), { what: `the log of ${id}` }))
  expect(found).toMatchObject([
    { outcome: 'OK', status: 200, stream: false, requestedModel: 'logged', provenance: 'REPORTED' },
    { outcome: 'OK', status: 200, stream: true, requestedModel: 'logged', provenance: 'REPORTED' },
    { outcome: 'CLIENT_ERROR', status: 400, provenance: 'NONE' },
    { outcome: 'CLIENT_ERROR', status: 404, errorCode: 'model_not_found', attempts: [] },
    { outcome: 'DENIED', status: 401, errorCode: 'invalid_api_key', attempts: [] },
  ])
  expect(
    await readRequestLog(
      graphql,
      plain.id.replace(/.$/, (last) => (last === '0' ? '1' : '0')),
    ),
  ).toBeNull()
})

test('labels survive what they name', async () => {
  await createDeployment('gone')
  const { apiKey, secret } = await graphql.change<{ apiKey: { id: string }; secret: string }>(
    `mutation { apiKeyCreate(input: { name: "forgotten" }) { apiKey { id } secret ${errors} } }`,
  )
  const { id } = await ask(secret, { model: 'gone' })
  await until(() => readRequestLog(graphql, id))
  await graphql.change(`mutation { deploymentDelete(input: { deployment: { name: "gone" } }) { ${errors} } }`)
  await graphql.change(`mutation ($id: ID!) { apiKeyRevoke(input: { id: $id }) { ${errors} } }`, { id: apiKey.id })
  const { usage } = await graphql.request<{ usage: { rows: unknown[] } }>(
    `query ($keys: [ID!]) {
      usage(range: { from: "2020-01-01T00:00:00Z" }, groupBy: [ROUTE, BACKEND, DEPLOYMENT, API_KEY, USER, OUTCOME],
        filter: { apiKeyIds: $keys }) {
        rows { metrics { requests } group { labels route { id } backend { __typename } deployment { id } outcome } }
      }
    }`,
    { keys: [apiKey.id] },
  )
  expect(usage.rows).toEqual([
    {
      metrics: { requests: 1 },
      group: {
        labels: ['gone', 'gone', 'gone', 'forgotten', 'admin', 'OK'],
        route: null,
        backend: null,
        deployment: null,
        outcome: 'OK',
      },
    },
  ])
  const kept = await graphql.request(`query ($id: ID!) { requestLog(id: $id) { requestedModel route { id } } }`, { id })
  expect(kept).toEqual({ requestLog: { requestedModel: 'gone', route: null } })
})

test('ranges are half-open, add up, and their buckets begin in UTC', async () => {
  const midnight = Date.UTC(2025, 2, 1)
  const ends = [-86_400_000, -1, 0, 1, 59_999, 60_000, 86_399_999, 86_400_000, 31 * 86_400_000]
  const records = ends.map((offset) =>
    usageRecord({ routeId: 'rte_range', startedAtMs: midnight + offset - 100, durationMs: 100 }),
  )
  await insertUsageRecords(database.db, records)
  const filter = { routeIds: ['rte_range'] }
  const iso = (offset: number) => new Date(midnight + offset).toISOString()
  const count = async (from: number, to: number) =>
    (await readUsage(graphql, { from: iso(from), to: iso(to), filter })).totals.requests
  for (const cut of ends) {
    const parts = [await count(-2 * 86_400_000, cut), await count(cut, 40 * 86_400_000)]
    expect([cut, ...parts]).toEqual([cut, ends.indexOf(cut), ends.length - ends.indexOf(cut)])
  }
  const bucketsOf = async (bucket: string) => {
    const { rows } = await readUsage(graphql, { from: iso(-2 * 86_400_000), to: iso(2 * 86_400_000), bucket, filter })
    return rows.map(({ bucketStart, metrics }) => [bucketStart, metrics.requests])
  }
  expect(await bucketsOf('DAY')).toEqual([
    ['2025-02-28T00:00:00.000Z', 2],
    ['2025-03-01T00:00:00.000Z', 5],
    ['2025-03-02T00:00:00.000Z', 1],
  ])
  expect(await bucketsOf('MONTH')).toEqual([
    ['2025-02-01T00:00:00.000Z', 2],
    ['2025-03-01T00:00:00.000Z', 6],
  ])
  // The same instant, said from Berlin.
  const berlin = await readUsage(graphql, { from: '2025-03-01T01:00:00+01:00', to: iso(1), filter })
  expect([berlin.from, berlin.totals.requests]).toEqual(['2025-03-01T00:00:00.000Z', 1])
})

test('rows beyond the limit are left out and said to be; what is too much is refused', async () => {
  const day = Date.UTC(2024, 0, 10)
  const records = Array.from({ length: 12 }, (_, n) =>
    usageRecord({
      routeId: 'rte_limit',
      apiKeyId: `key_${n}`,
      startedAtMs: day,
      tokens: { ...usageRecord().tokens!, inputTokens: n * 100 },
    }),
  )
  await insertUsageRecords(database.db, records)
  const question = { groupBy: ['API_KEY'], filter: { routeIds: ['rte_limit'] } } as const
  const all = await readUsage(graphql, { ...question, limit: 12 })
  expect([all.truncated, all.rows.length]).toEqual([false, 12])
  const some = await readUsage(graphql, { ...question, limit: 5 })
  expect(some).toMatchObject({ truncated: true, totals: { requests: 12 }, rows: all.rows.slice(0, 5) })
  expect(all.rows.map(({ metrics }) => metrics.inputTokens)).toEqual(
    Array.from({ length: 12 }, (_, n) => (11 - n) * 100),
  )

  const minutes = (count: number) =>
    graphql.post({
      query: `query ($range: TimeRangeInput!) { usage(range: $range, bucket: MINUTE) { totals { requests } } }`,
      variables: { range: { from: new Date(day).toISOString(), to: new Date(day + count * 60_000).toISOString() } },
    })
  expect((await minutes(10_000)).body.errors).toBeUndefined()
  expect((await minutes(10_001)).body.errors).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT' } }])
  for (const limit of [0, 10_001])
    await expect(readUsage(graphql, { ...question, limit })).rejects.toThrow('BAD_USER_INPUT')
  await expect(readUsage(graphql, { from: '2024-01-02T00:00:00Z', to: '2024-01-01T00:00:00Z' })).rejects.toThrow(
    'BAD_USER_INPUT',
  )
})

test('a report is complete no further than what a gateway has not shipped', async () => {
  await createDeployment('late')
  await untilNothingPends(graphql)
  const client = new Client(clientConfig(database.url))
  await client.connect()
  // Nothing can be inserted until it is let go; all else goes on.
  await client.query('begin')
  await client.query('lock table usage_record in share mode')
  const { id } = await ask(product.adminKey, { model: 'late' })
  const endedBy = Date.now()
  await until(async () => {
    const { configStatus } = await graphql.request<{ configStatus: { gateways: { pendingUsageRecords: number }[] } }>(
      `{ configStatus { gateways { pendingUsageRecords } } }`,
    )
    return configStatus.gateways.some(({ pendingUsageRecords }) => pendingUsageRecords === 1)
  })
  // It was asked after the request had ended, and says that it does not know of it.
  expect(Date.parse((await readUsage(graphql)).completeUntil)).toBeLessThan(endedBy)
  expect(await readRequestLog(graphql, id)).toBeNull()
  await client.end()
  await untilNothingPends(graphql)
  expect(await readRequestLog(graphql, id)).toMatchObject({ outcome: 'OK' })
})
