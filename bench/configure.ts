/** What the bench asks of the API, in the fewest words. */
import type { GraphqlClient } from '../test/support/graphql-client.ts'
import type { Product } from '../test/support/product.ts'
import { chatPath } from './contenders/contender.ts'
import type { Address } from './load/connection.ts'

const errors = 'userErrors { message code path }'

/** Makes a key for inference; returns its secret. */
export async function createKey(graphql: GraphqlClient, name = 'bench'): Promise<string> {
  const { secret } = await graphql.change<{ secret: string }>(
    `mutation ($name: String!) { apiKeyCreate(input: { name: $name }) { secret ${errors} } }`,
    { name },
  )
  return secret
}

/** A deployment without a route, with one endpoint on loopback. */
export async function createDeployment(graphql: GraphqlClient, name: string, port: number): Promise<void> {
  const endpoints = [{ url: `http://127.0.0.1:${port}/v1` }]
  await graphql.change(`mutation ($input: DeploymentCreateInput!) { deploymentCreate(input: $input) { ${errors} } }`, {
    input: { name, upstreamModel: 'bench', endpoints, enableModelRoute: false },
  })
}

/** A route over deployments, by their weights. */
export async function createRoute(
  graphql: GraphqlClient,
  name: string,
  weights: Readonly<Record<string, number>>,
  fallback?: string,
): Promise<void> {
  const targets = Object.entries(weights).map(([deployment, weight]) => ({ backend: { deployment }, weight }))
  await graphql.change(`mutation ($input: RouteCreateInput!) { routeCreate(input: $input) { ${errors} } }`, {
    input: { name, targets, ...(fallback && { fallback: { backends: [{ deployment: fallback }] } }) },
  })
}

/** Gives a route these weights, and returns when the answer is there. */
export async function setTraffic(
  graphql: GraphqlClient,
  route: string,
  weights: Readonly<Record<string, number>>,
  waitFor: 'APPLIED' | 'COMMITTED' = 'APPLIED',
): Promise<void> {
  await graphql.change(`mutation ($input: RouteTrafficSetInput!) { routeTrafficSet(input: $input) { ${errors} } }`, {
    input: {
      route: { name: route },
      weights: Object.entries(weights).map(([deployment, weight]) => ({ target: { deployment }, weight })),
      waitFor,
    },
  })
}

/** Where chat completions of a product go. */
export function gatewayAddress({ gatewayUrl }: Pick<Product, 'gatewayUrl'>, key: string): Address {
  return { port: Number(new URL(gatewayUrl).port), path: chatPath, headers: { authorization: `Bearer ${key}` } }
}
