/** Lists that are given as a whole: what is omitted of an item that stays, and has no default, stays as it was. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { addDeployment, addProvider } from '../support/objects.ts'
import { openTestApi, type TestApi } from '../support/open-api.ts'

let api: TestApi
beforeAll(async () => {
  api = await openTestApi()
})
afterAll(() => api[Symbol.asyncDispose]())

const a = 'http://a.test:8000/v1'
const b = 'http://b.test:8000/v1'

interface Endpoint {
  readonly id: string
  readonly url: string
  readonly weight: number
  readonly maxInFlight: number | null
  readonly state: string
}

async function setEndpoints(id: string, endpoints: readonly object[]): Promise<readonly Endpoint[]> {
  const { deployment } = await api.graphql.change<{ deployment: { endpoints: Endpoint[] } }>(
    `mutation ($input: DeploymentUpdateInput!) { deploymentUpdate(input: $input) {
      userErrors { code path message } deployment { endpoints { id url weight maxInFlight state } } } }`,
    { input: { deployment: { id }, check: false, endpoints } },
  )
  return deployment.endpoints
}

test('an endpoint that stays keeps its id and its bound; weight and state have defaults; null takes the bound away', async () => {
  const id = await addDeployment(api.graphql, { name: 'gpu', endpoints: [] })
  const [first] = await setEndpoints(id, [{ url: a, weight: 7, maxInFlight: 4, state: 'DRAINING' }])
  const [kept, added] = await setEndpoints(id, [{ url: a }, { url: b }])
  expect(kept).toEqual({ id: first!.id, url: a, weight: 1, maxInFlight: 4, state: 'ACTIVE' })
  expect(added).toMatchObject({ url: b, weight: 1, maxInFlight: null, state: 'ACTIVE' })
  const [unbound] = await setEndpoints(id, [{ url: a, maxInFlight: null }, { url: b }])
  expect(unbound).toMatchObject({ id: first!.id, maxInFlight: null })
})

test('an endpoint that was left out and comes again is new: nothing of it was kept', async () => {
  const id = await addDeployment(api.graphql, { name: 'again', endpoints: [{ url: a, maxInFlight: 4 }, { url: b }] })
  await setEndpoints(id, [{ url: b }])
  const endpoints = await setEndpoints(id, [{ url: a }, { url: b }])
  expect(endpoints.find(({ url }) => url === a)).toMatchObject({ maxInFlight: null })
})

interface Model {
  readonly id: string
  readonly upstreamModel: string
  readonly categories: readonly string[]
  readonly pricing: object | null
  readonly operations: readonly string[] | null
  readonly contextTokens: number | null
}

async function setModels(id: string, models: readonly object[]): Promise<readonly Model[]> {
  const { provider } = await api.graphql.change<{ provider: { models: Model[] } }>(
    `mutation ($input: ProviderUpdateInput!) { providerUpdate(input: $input) { userErrors { code path message }
      provider { models {
        id upstreamModel categories operations contextTokens pricing { inputPerMillion outputPerMillion } } } } }`,
    { input: { provider: { id }, models } },
  )
  return provider.models
}

test('a model that stays keeps all that is omitted of it, wherever it comes to stand; null takes a value away', async () => {
  const id = await addProvider(api.graphql, { name: 'service', models: [] })
  const settled = {
    upstreamModel: 'settled',
    categories: ['EMBEDDING'],
    pricing: { inputPerMillion: '1.5', outputPerMillion: '2' },
    operations: ['/v1/embeddings'],
    contextTokens: 4096,
  }
  const [before] = await setModels(id, [settled])
  const after = await setModels(id, [{ upstreamModel: 'new' }, { upstreamModel: 'settled' }])
  expect(after.find(({ upstreamModel }) => upstreamModel === 'settled')).toEqual(before)
  const [cleared] = await setModels(id, [
    { upstreamModel: 'settled', pricing: null, operations: null, contextTokens: null },
  ])
  expect(cleared).toMatchObject({ id: before!.id, categories: ['EMBEDDING'], pricing: null, contextTokens: null })
})

interface Credential {
  readonly id: string
  readonly hint: string
}

test('a secret that stays in the list keeps its id', async () => {
  const id = await addProvider(api.graphql, { name: 'keyed', secrets: ['secret-number-one', 'secret-number-two'] })
  const change = (secrets: readonly string[]) =>
    api.graphql.change<{ provider: { credentials: Credential[] } }>(
      `mutation ($input: ProviderUpdateInput!) { providerUpdate(input: $input) { userErrors { code path message }
        provider { credentials { id hint } } } }`,
      { input: { provider: { id }, secrets } },
    )
  const before = (await change(['secret-number-one', 'secret-number-two'])).provider.credentials
  const after = (await change(['secret-number-two', 'secret-number-three'])).provider.credentials
  expect(after[0]!.id).toBe(before[1]!.id)
  expect(before.map((credential) => credential.id)).not.toContain(after[1]!.id)
})
