import { afterAll, beforeAll, expect, test } from 'vitest'
import { openTestApi, type TestApi } from './open-api.ts'
import { addDeployment, addProvider, addRoute } from './objects.ts'

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
