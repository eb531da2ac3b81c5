import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { UsageRecord } from '../../../src/routing/usage/record.ts'
import { insertUsageRecords } from '../../../src/storage/usage/ledger/insert.ts'
import { usageRecord } from '../../support/usage-record.ts'
import { addDeployment, addRoute } from '../support/objects.ts'
import { openTestApi, type TestApi } from '../support/open-api.ts'

const noon = Date.UTC(2026, 10, 22, 12)
const range = 'range: { from: "2026-11-22T00:00:00Z", to: "2026-11-23T00:00:00Z" }'

let api: TestApi
let records: readonly UsageRecord[]
beforeAll(async () => {
  api = await openTestApi()
  const backendId = await addDeployment(api.graphql, { name: 'llama' })
  const route = await addRoute(api.graphql, { name: 'chat', targets: [{ backend: { deployment: 'llama' } }] })
  const about = {
    routeId: route.id,
    targetId: route.targets[0]!.id,
    backendId,
    deploymentId: backendId,
    apiKeyId: null,
    apiKeyName: null,
    userId: null,
    userName: null,
  }
  records = Array.from({ length: 30 }, (_, n) =>
    usageRecord({
      ...about,
      ...(n >= 20 && { routeId: 'rte_00000000000000000000000000', routeName: 'deleted', targetId: null }),
      startedAtMs: noon + n * 60_000,
      outcome: n % 10 === 0 ? 'UPSTREAM_ERROR' : 'OK',
      stream: n % 2 === 0,
    }),
  )
  await insertUsageRecords(api.control.db, records)
})
afterAll(async () => {
  await api[Symbol.asyncDispose]()
})

describe('a report', () => {
  test('groups, names what was deleted, and its rows add up to its totals', async () => {
    const { usage } = await api.graphql.request<{ usage: object }>(`{ usage(${range}, groupBy: [ROUTE]) {
      totals { requests attempts failures inputTokens cachedInputTokens outputTokens reasoningTokens cost firstByteMs { p50 } }
      rows { group { labels route { name } target { id } } metrics { requests inputTokens cost } }
      truncated
    } }`)
    expect(usage).toMatchObject({
      totals: {
        requests: 30,
        attempts: 30,
        failures: 3,
        inputTokens: 300,
        cachedInputTokens: 120,
        outputTokens: 150,
        reasoningTokens: 60,
        cost: '0.0005175',
        firstByteMs: { p50: expect.closeTo(40, -1) },
      },
      rows: [
        {
          group: { labels: ['chat'], route: { name: 'chat' }, target: null },
          metrics: { requests: 20, inputTokens: 200 },
        },
        { group: { labels: ['deleted'], route: null }, metrics: { requests: 10, inputTokens: 100 } },
      ],
      truncated: false,
    })
  })

  test('by bucket is oldest first, filtered, and says when it leaves rows out', async () => {
    const { usage } = await api.graphql.request<{ usage: { rows: { bucketStart: string }[]; truncated: boolean } }>(
      `{ usage(${range}, bucket: MINUTE, filter: { outcomes: [UPSTREAM_ERROR] }, limit: 2) { rows { bucketStart } truncated } }`,
    )
    expect(usage).toEqual({
      rows: [{ bucketStart: '2026-11-22T12:00:00.000Z' }, { bucketStart: '2026-11-22T12:10:00.000Z' }],
      truncated: true,
    })
  })

  test.each([
    [`usage(${range}, limit: 0)`],
    [`usage(${range}, limit: 10001)`],
    ['usage(range: { from: "2026-01-01T00:00:00Z", to: "2026-02-01T00:00:00Z" }, bucket: MINUTE)'],
    [`usage(${range}, groupBy: [ROUTE, USER, ROUTE])`],
  ])('%s is refused', async (field) => {
    const { body } = await api.graphql.post({ query: `{ ${field} { truncated } }` })
    expect(body.errors?.map(({ extensions }) => extensions?.['code'])).toEqual(['BAD_USER_INPUT'])
  })

  test('of an empty filter list is about nothing', async () => {
    const { usage } = await api.graphql.request<{ usage: object }>(
      `{ usage(${range}, filter: { routeIds: [] }) { totals { requests cost firstByteMs { p50 } } } }`,
    )
    expect(usage).toEqual({ totals: { requests: 0, cost: null, firstByteMs: null } })
  })
})

describe.each([
  ['usage', 'truncated'],
  ['requestLogs', 'edges { cursor }'],
  ['auditLog', 'edges { cursor }'],
])('the range of %s', (field, fields) => {
  const post = async (bounds: string) =>
    (await api.graphql.post({ query: `{ ${field}(range: { ${bounds} }) { ${fields} } }` })).body

  test('that ends before it begins is refused', async () => {
    expect((await post('from: "2026-02-01T00:00:00Z", to: "2026-01-01T00:00:00Z"')).errors).toMatchObject([
      { message: 'The range ends before it begins.', extensions: { code: 'BAD_USER_INPUT' } },
    ])
  })

  test('may be empty', async () => {
    expect((await post('from: "2026-01-01T00:00:00Z", to: "2026-01-01T00:00:00Z"')).errors).toBeUndefined()
  })
})

describe('the log', () => {
  test('from a moment that has not come is empty, and no error', async () => {
    const range = 'range: { from: "9999-01-01T00:00:00Z" }'
    const query = `{ requestLogs(${range}) { edges { cursor } } auditLog(${range}) { edges { cursor } } }`
    expect(await api.graphql.request(query)).toEqual({ requestLogs: { edges: [] }, auditLog: { edges: [] } })
  })

  test('is newest first, walked both ways, and shows a request by the id that its client saw', async () => {
    const ids = records.map(({ id }) => id).toReversed()
    const page = async (args: string) => {
      const data = await api.graphql.request<{
        requestLogs: { edges: { cursor: string; node: { id: string } }[]; pageInfo: { hasNextPage: boolean } }
      }>(`{ requestLogs(${args}) { edges { cursor node { id } } pageInfo { hasNextPage } } }`)
      return data.requestLogs
    }
    const first = await page('first: 12')
    expect(first.edges.map(({ node }) => node.id)).toEqual(ids.slice(0, 12))
    const rest = await page(`first: 100, after: "${first.edges.at(-1)!.cursor}"`)
    expect(rest.edges.map(({ node }) => node.id)).toEqual(ids.slice(12))
    expect(rest.pageInfo.hasNextPage).toBe(false)
    expect((await page('last: 3')).edges.map(({ node }) => node.id)).toEqual(ids.slice(-3))

    const { requestLog, node } = await api.graphql.request<{ requestLog: object; node: object }>(
      `query ($id: ID!) {
        requestLog(id: $id) {
          startedAt operation requestedModel outcome status stream provenance inputTokens cost durationMs
          route { name } attempts { number backendLabel endpointUrl status trigger durationMs target { id } }
        }
        node(id: $id) { __typename id }
      }`,
      { id: ids[29] },
    )
    expect(node).toEqual({ __typename: 'RequestLog', id: ids[29] })
    expect(requestLog).toMatchObject({
      startedAt: '2026-11-22T12:00:00.000Z',
      operation: '/v1/chat/completions',
      outcome: 'UPSTREAM_ERROR',
      stream: true,
      inputTokens: 10,
      cost: '0.00001725',
      route: { name: 'chat' },
      attempts: [
        { number: 1, backendLabel: 'llama', endpointUrl: 'http://10.0.0.7:8000/v1', status: 200, target: null },
      ],
    })
  })

  test('is restricted by range and filter together', async () => {
    const { requestLogs } = await api.graphql.request<{ requestLogs: { edges: unknown[] } }>(
      `{ requestLogs(first: 100, range: { from: "2026-11-22T12:05:00Z", to: "2026-11-22T12:25:00Z" }, filter: { stream: true, outcomes: [OK] }) {
        edges { node { id } }
      } }`,
    )
    // Minutes 6 to 24 that are even, without 10 and 20.
    expect(requestLogs.edges).toHaveLength(8)
  })
})
