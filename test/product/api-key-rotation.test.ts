/** A key gets another secret while applications go on with the one before. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createGraphqlClient } from '../support/graphql-client.ts'
import { type Product, startProduct } from '../support/product.ts'
import { until } from '../support/until.ts'
import { openUpstream, type Upstream } from '../support/upstream.ts'

let product: Product
let upstream: Upstream
beforeAll(async () => {
  upstream = await openUpstream()
  product = await startProduct()
  await product.graphql.change(
    'mutation ($input: DeploymentCreateInput!) { deploymentCreate(input: $input) { userErrors { code path message } } }',
    { input: { name: 'model', endpoints: [{ url: upstream.baseUrl }] } },
  )
})
afterAll(async () => {
  await product.stop()
  await upstream.close()
})

interface Created {
  readonly secret: string
  readonly apiKey: { readonly id: string }
}

const created = 'secret apiKey { id } userErrors { code path message }'

const make = () =>
  product.graphql.change<Created>(
    `mutation { apiKeyCreate(input: { name: "application", scopes: [INFERENCE, CONFIG_READ] }) { ${created} } }`,
  )

const rotate = async (id: string, overlapMs: number) => {
  const answer = await product.graphql.change<Created>(
    `mutation ($input: ApiKeyRotateInput!) { apiKeyRotate(input: $input) { ${created} } }`,
    { input: { id, overlapMs } },
  )
  expect(answer.apiKey.id).toBe(id)
  return answer.secret
}

const statusAtGateway = async (secret: string) => {
  const response = await fetch(`${product.gatewayUrl}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'model', messages: [] }),
  })
  await response.arrayBuffer()
  return response.status
}

const statusAtApi = async (secret: string) =>
  (await createGraphqlClient(product.apiUrl, secret).post({ query: '{ viewer { scopes } }' })).status

test('a secret that is replaced is good until its overlap ends, and not for longer', async () => {
  const { secret: first, apiKey } = await make()
  expect(await statusAtGateway(first)).toBe(200)

  const second = await rotate(apiKey.id, 3_600_000)
  expect([await statusAtGateway(first), await statusAtGateway(second)]).toEqual([200, 200])
  expect([await statusAtApi(first), await statusAtApi(second)]).toEqual([200, 200])

  const overlapMs = 700
  const rotatedAfterMs = Date.now()
  const third = await rotate(apiKey.id, overlapMs)
  await until(async () => (await statusAtGateway(second)) === 401)
  expect(Date.now()).toBeGreaterThanOrEqual(rotatedAfterMs + overlapMs)
  expect(await statusAtApi(second)).toBe(401)
  // Each secret has an end of its own.
  expect([await statusAtGateway(first), await statusAtGateway(third)]).toEqual([200, 200])

  const fourth = await rotate(apiKey.id, 0)
  expect([await statusAtGateway(first), await statusAtGateway(third)]).toEqual([401, 401])
  expect([await statusAtGateway(fourth), await statusAtApi(fourth)]).toEqual([200, 200])
})

test('revoking a key ends the secrets of its overlap, too', async () => {
  const { secret: first, apiKey } = await make()
  const second = await rotate(apiKey.id, 3_600_000)
  await product.graphql.change(
    'mutation ($id: ID!) { apiKeyRevoke(input: { id: $id }) { userErrors { code path message } } }',
    { id: apiKey.id },
  )
  expect([await statusAtGateway(first), await statusAtGateway(second)]).toEqual([401, 401])
  expect([await statusAtApi(first), await statusAtApi(second)]).toEqual([401, 401])
})
