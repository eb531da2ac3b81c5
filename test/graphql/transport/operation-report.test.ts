/** What operators see of the API itself, and what stops a key in a loop. */
import * as fc from 'fast-check'
import { createClient as createWebSocketClient } from 'graphql-ws'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { createCostBudget } from '../../../src/graphql/transport/cost-budget.ts'
import { createApiMetrics } from '../../../src/server/metrics/api-metrics.ts'
import { until } from '../../support/until.ts'
import { openTestApi, type TestApi } from '../support/open-api.ts'

let api: TestApi
beforeAll(async () => {
  api = await openTestApi()
})
afterAll(async () => {
  await api[Symbol.asyncDispose]()
})

const post = async (body: object) => {
  const response = await fetch(`${api.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${api.adminKey}` },
    body: JSON.stringify(body),
  })
  await response.arrayBuffer()
  return response.headers.get('x-request-id')
}

test.each([
  [
    'a query',
    { query: 'query Who { viewer { scopes } }' },
    { name: 'Who', type: 'QUERY', outcome: 'OK', cost: expect.any(Number), durationMs: expect.any(Number) },
  ],
  [
    'one of several operations',
    { query: 'query A { viewer { scopes } } query B { routes { totalCount } }', operationName: 'B' },
    { name: 'B', type: 'QUERY', outcome: 'OK' },
  ],
  ['one without a name', { query: '{ viewer { scopes } }' }, { name: '', type: 'QUERY', outcome: 'OK' }],
  [
    'a mutation that says why it changed nothing',
    { query: 'mutation Drop { routeDelete(input: { route: { name: "secret-route" } }) { userErrors { code } } }' },
    { name: 'Drop', type: 'MUTATION', outcome: 'OK', errorCodes: [] },
  ],
  [
    'a document that is none',
    { query: '{ secret-word' },
    { name: '', type: 'NONE', outcome: 'REFUSED', errorCodes: ['GRAPHQL_PARSE_FAILED'], cost: null, durationMs: null },
  ],
  [
    'a document that does not fit the schema',
    { query: 'query Wrong { nothing { a b } }' },
    { name: 'Wrong', outcome: 'REFUSED', errorCodes: ['GRAPHQL_VALIDATION_FAILED'] },
  ],
  [
    'a variable that does not fit',
    { query: 'query Vary($id: ID!) { node(id: $id) { id } }', variables: {} },
    { name: 'Vary', type: 'QUERY', outcome: 'REFUSED', errorCodes: ['BAD_USER_INPUT'] },
  ],
])('of %s operators are told once, by name, without a value', async (_what, body, expected) => {
  const before = api.reports.length
  const requestId = await post(body)
  const reports = api.reports.slice(before)
  expect(reports).toHaveLength(1)
  expect(reports[0]).toMatchObject({ requestId, ...expected })
  expect(JSON.stringify(reports)).not.toContain('secret')
})

test('a subscription over WebSocket is reported when it begins, and its events have their cost', async () => {
  const before = api.reports.length
  const client = createWebSocketClient({
    url: `${api.url.replace('http', 'ws')}/graphql`,
    connectionParams: { authorization: `Bearer ${api.adminKey}` },
    webSocketImpl: WebSocket,
    retryAttempts: 0,
  })
  const events = client.iterate({ query: 'subscription Watch { configChanged { version } }' })
  const { value } = await events.next()
  expect(value).toMatchObject({ extensions: { cost: { requested: expect.any(Number), limit: 50_000 } } })
  expect(api.reports.slice(before)).toMatchObject([
    { name: 'Watch', type: 'SUBSCRIPTION', outcome: 'OK', durationMs: null },
  ])
  await events.return?.()
  await client.dispose()
  await until(() => api.live.snapshotListeners() === 0)
})

test('a key in a loop is refused with 429 and when to go on, other keys are not, and time mends it', async () => {
  let nowMs = 0
  await using own = await openTestApi({ costPerMinute: 60_000, nowMs: () => nowMs })
  const other = await own.makeKey('OPERATOR', ['CONFIG_READ'])
  const ask = (key: string) =>
    fetch(`${own.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
      body: JSON.stringify({ query: 'query Loop { routes(first: 100) { edges { node { id name description } } } }' }),
    })
  let refused = await ask(own.adminKey)
  for (let i = 0; refused.status === 200; i++) {
    expect(i).toBeLessThan(1_000)
    expect(await refused.json()).not.toHaveProperty('errors')
    refused = await ask(own.adminKey)
  }
  expect(refused.status).toBe(429)
  const { errors } = (await refused.json()) as { errors: { extensions: Record<string, unknown> }[] }
  expect(errors).toMatchObject([{ extensions: { code: 'RATE_LIMITED', retryAfterMs: expect.any(Number) } }])
  const retryAfterMs = Number(errors[0]!.extensions['retryAfterMs'])
  expect(refused.headers.get('retry-after-ms')).toBe(String(retryAfterMs))
  expect(refused.headers.get('retry-after')).toBe(String(Math.ceil(retryAfterMs / 1_000)))
  expect(own.reports.at(-1)).toMatchObject({ name: 'Loop', outcome: 'REFUSED', errorCodes: ['RATE_LIMITED'] })
  expect((await ask(other.key)).status).toBe(200)
  nowMs += retryAfterMs
  expect((await ask(own.adminKey)).status).toBe(200)
})

const deep = `{ ${'targets { route { '.repeat(12)} id ${'} }'.repeat(12)} }`

test.each([
  ['cannot be parsed', '{ broken', 'GRAPHQL_PARSE_FAILED'],
  ['do not fit the schema', '{ nothing }', 'GRAPHQL_VALIDATION_FAILED'],
  ['are too deep', `{ route(by: { name: "route" }) ${deep} }`, 'QUERY_TOO_COMPLEX'],
  ['have brackets without end', '{ a '.repeat(5_000), 'QUERY_TOO_COMPLEX'],
  ['lack a variable', 'query ($id: ID!) { node(id: $id) { id } }', 'BAD_USER_INPUT'],
])('a loop of documents that %s reaches 429, each time by the same text', async (_what, query, code) => {
  let nowMs = 0
  await using own = await openTestApi({ costPerMinute: 20_000, nowMs: () => nowMs })
  const other = await own.makeKey('OPERATOR', ['CONFIG_READ'])
  const ask = async (text: string, key = own.adminKey) => {
    const response = await fetch(`${own.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
      body: JSON.stringify({ query: text }),
    })
    const { errors } = (await response.json()) as { errors?: { extensions: { code: string } }[] }
    const retryAfterMs = Number(response.headers.get('retry-after-ms'))
    return { status: response.status, code: errors?.[0]?.extensions.code, retryAfterMs }
  }
  const codes = []
  for (let i = 0; i < 20; i++) codes.push((await ask(query)).code)
  expect(new Set(codes)).toEqual(new Set([code]))
  const refused = await ask(query)
  expect(refused).toMatchObject({ status: 429, code: 'RATE_LIMITED', retryAfterMs: 3_000 })
  expect(await ask('{ viewer { scopes } }')).toMatchObject({ status: 429 })
  expect(await ask('{ viewer { scopes } }', other.key)).toMatchObject({ status: 200, code: undefined })
  expect(own.reports).toHaveLength(23)
  nowMs += refused.retryAfterMs
  expect((await ask(query)).code).toBe(code)
})

test('over any time a key gets no more than a bucket and what flows in, and an operation is never refused for ever', () => {
  const call = fc.record({ cost: fc.integer({ min: 0, max: 50_000 }), waitMs: fc.integer({ min: 0, max: 20_000 }) })
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 200_000 }), fc.array(call, { maxLength: 60 }), (costPerMinute, calls) => {
      let nowMs = 0
      let taken = 0
      const budget = createCostBudget(costPerMinute, () => nowMs)
      for (const { cost, waitMs } of calls) {
        nowMs += waitMs
        const charged = Math.min(Math.max(cost, 10), costPerMinute)
        const retryAfterMs = budget.take('key', cost)
        nowMs += retryAfterMs ?? 0
        // Who waits for as long as it was told is let in.
        expect(retryAfterMs === null || budget.take('key', cost) === null).toBe(true)
        taken += charged
        expect(taken).toBeLessThanOrEqual(costPerMinute + (nowMs * costPerMinute) / 60_000 + 1e-3)
      }
    }),
  )
})

test('names that clients make up do not make series without end', () => {
  const metrics = createApiMetrics()
  const report = {
    requestId: '',
    traceHeaders: [],
    apiKeyId: '',
    type: 'QUERY',
    outcome: 'ERROR',
    errorCodes: ['FORBIDDEN'],
    errorCount: 1,
    cost: 3,
    durationMs: 20,
  } as const
  for (let i = 0; i < 5_000; i++) metrics.report({ ...report, name: `Made${i}` })
  for (const family of metrics.families) {
    const samples = [...family.read()]
    expect(samples.length).toBeLessThanOrEqual(301 * 14)
    expect(new Set(samples.map(({ labels }) => labels['operation']))).toContain('other')
  }
  const total = [...metrics.families[0]!.read()].reduce((sum, { value }) => sum + value, 0)
  expect(total).toBe(5_000)
})
