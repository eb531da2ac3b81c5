import { afterAll, beforeAll, expect, test } from 'vitest'
import { insertUsageRecords } from '../../../src/storage/usage/ledger/insert.ts'
import { usageRecord } from '../../support/usage-record.ts'
import { openTestApi, type TestApi } from '../support/open-api.ts'
import { addDeployment, addProvider, addRoute } from '../support/objects.ts'

interface RouteNode {
  readonly id: string
  readonly name: string
  readonly targets: readonly { readonly id: string; readonly backend: { readonly id: string } }[]
}

let api: TestApi

beforeAll(async () => {
  api = await openTestApi()
  for (const name of ['one', 'two', 'three']) await addProvider(api.graphql, { name, models: ['a', 'b'] })
  for (let i = 0; i < 30; i++) await addDeployment(api.graphql, { name: `deployment-${i}` })
  const user = await api.makeKey('MEMBER', ['INFERENCE'])
  for (let i = 0; i < 100; i++)
    await addRoute(api.graphql, {
      name: `route-${i}`,
      targets: [
        { backend: { deployment: `deployment-${i % 30}` }, weight: 100 },
        { backend: { providerModel: { provider: 'one', model: 'a' } }, weight: 200 },
      ],
      fallback: { backends: [{ providerModel: { provider: 'two', model: 'b' } }] },
      access: { policy: 'RESTRICTED', userIds: [user.userId], apiKeyIds: [user.apiKeyId] },
    })
  const { routes } = await api.graphql.request<{ routes: { edges: { node: RouteNode }[] } }>(
    '{ routes(first: 100) { edges { node { id name targets { id backend { id } } } } } }',
  )
  const records = routes.edges.map(({ node: { id, name, targets } }) => ({
    routeId: id,
    routeName: name,
    targetId: targets[0]!.id,
    backendId: targets[0]!.backend.id,
    deploymentId: targets[0]!.backend.id,
    apiKeyId: user.apiKeyId,
    userId: user.userId,
  }))
  await insertUsageRecords(
    api.control.db,
    records.map((about) => usageRecord(about)),
  )
  for (let i = 0; i < 40; i++) {
    const { apiKeyId } = await api.makeKey('MEMBER', ['INFERENCE'])
    await api.graphql.change(
      'mutation ($id: ID!, $routeIds: [ID!]) { apiKeyUpdate(input: { id: $id, routeIds: $routeIds }) { userErrors { code } } }',
      { id: apiKeyId, routeIds: routes.edges.slice(i, i + 3).map(({ node }) => node.id) },
    )
  }
}, 60_000)
afterAll(async () => {
  await api[Symbol.asyncDispose]()
})

const wholePage = `{
  routes(first: 100) {
    totalCount
    pageInfo { hasNextPage endCursor }
    edges { node {
      id name description revision state categories createdAt readyTargets
      timeouts { connectMs firstByteMs idleMs totalMs }
      targets {
        id weight share availability
        backend {
          __typename id label upstreamModel categories state pricing { inputPerMillion } health { circuit lastError }
          ... on Deployment { name engine readyEndpoints endpoints { url inFlight health { circuit } } }
          ... on ProviderModel { provider { name kind } }
        }
      }
      fallback { backends { label health { circuit } } triggers maxAttempts }
      access { policy users { name role } apiKeys { name prefix owner { name } } }
      traffic { requests inFlight targets { backendLabel observedShare target { id } } divergence { reason } }
    } }
  }
}`

test('a page of 100 routes with targets, backends, health, access and traffic takes at most 10 SQL statements', async () => {
  await api.graphql.request(wholePage)
  api.statements.length = 0
  const { routes } = await api.graphql.request<{ routes: { edges: unknown[] } }>(wholePage)
  expect(routes.edges).toHaveLength(100)
  expect(api.statements.length).toBeLessThanOrEqual(10)
})

test('a history with its actors takes three statements, however many routes have one', async () => {
  api.statements.length = 0
  await api.graphql.request(
    `{ routes(first: 100) { edges { node { revisions(first: 3) { edges { node { number actor { ... on ApiKey { name } } } } } } } } }`,
  )
  expect(api.statements.length).toBeLessThanOrEqual(3)
})

test('the routes of each backend take one statement, and their number another', async () => {
  api.statements.length = 0
  await api.graphql.request(
    `{ deployments(first: 30) { edges { node { routes(first: 2) { totalCount edges { node { name } } } } } } }`,
  )
  expect(api.statements.length).toBeLessThanOrEqual(3)
})

test.each([
  [
    'providers',
    'providers(first: 100) { totalCount edges { node { name revision state headerNames proxyUrl health { circuit } credentials { hint health { circuit } } models { label categories health { circuit } routes(first: 1) { totalCount edges { node { name } } } } } } }',
  ],
  [
    'deployments',
    'deployments(first: 100) { totalCount pageInfo { hasNextPage hasPreviousPage } edges { node { name readyEndpoints secretHint health { circuit } queue { maxWaiting } endpoints { url inFlight health { circuit } deployment { name } } } } }',
  ],
  [
    'keys',
    'apiKeys(first: 100) { totalCount edges { node { name prefix state routes { name targets { backend { label } } } owner { name role apiKeys(first: 5) { totalCount edges { node { name } } } } } } }',
  ],
  [
    'users',
    'users(first: 100) { totalCount edges { node { name apiKeys(first: 20) { totalCount edges { node { name routes { name } owner { name } } } } } } }',
  ],
  [
    'audit entries',
    'auditLog(first: 100) { edges { node { action actor { __typename ... on ApiKey { owner { name } } } subject { __typename ... on Route { name targets { id } } ... on Deployment { endpoints { url } } ... on ApiKey { owner { name } } } changes { field } } } }',
  ],
  [
    'requests',
    'requestLogs(first: 100) { edges { node { status route { name } apiKey { name owner { name } } user { name } attempts { backendLabel target { id backend { label } } } } } }',
  ],
] as const)('a page of 100 %s with what belongs to them takes at most 10 SQL statements', async (_what, query) => {
  api.statements.length = 0
  await api.graphql.request(`{ ${query} }`)
  expect(api.statements.length).toBeLessThanOrEqual(10)
})

test('a report of usage with its objects takes one statement for each kind of them', async () => {
  const count = async (fields: string) => {
    api.statements.length = 0
    await api.graphql.request(
      `{ usage(range: { from: "2026-11-22T00:00:00Z", to: "2026-11-23T00:00:00Z" }, groupBy: [ROUTE, TARGET, BACKEND, PROVIDER, DEPLOYMENT, API_KEY, USER]) {
        totals { requests } rows { metrics { requests } group { labels ${fields} } }
      } }`,
    )
    return api.statements.length
  }
  const plain = await count('')
  const objects = await count(
    'route { name } target { id } backend { label } provider { name } deployment { name } apiKey { name } user { name }',
  )
  expect(objects - plain).toBeLessThanOrEqual(7)
})

test('a switch takes at most 12 SQL statements, of one route and of 20', async () => {
  const routes = Array.from({ length: 20 }, (_, i) => `switched-${i}`)
  for (const name of routes)
    await addRoute(api.graphql, {
      name,
      targets: [{ backend: { deployment: 'deployment-0' } }, { backend: { deployment: 'deployment-1' } }],
    })
  for (const count of [1, 20]) {
    const changes = routes.slice(0, count).map((name) => ({
      route: { name },
      weights: [
        { target: { deployment: 'deployment-0' }, weight: count },
        { target: { deployment: 'deployment-1' }, weight: 300 },
      ],
    }))
    api.statements.length = 0
    await api.graphql.change(
      'mutation ($changes: [RouteTrafficChangeInput!]!) { routeTrafficBulkSet(input: { changes: $changes }) { userErrors { code path } } }',
      { changes },
    )
    expect(api.statements).toContain('commit')
    expect(api.statements.length).toBeLessThanOrEqual(12)
  }
})
