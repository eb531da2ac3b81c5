import { startProduct } from '../../test/support/product.ts'
import type { GraphqlClient } from '../../test/support/graphql-client.ts'
import { processTree, serverCore } from '../cpu.ts'
import { type Behaviour, behaviours } from '../upstream/behaviour.ts'
import { chatPath, type ContenderStart } from './contender.ts'

/** The product with all features on: a key, a weighted route with a fallback per behaviour, circuits, usage, live counters. */
export const signalbox: ContenderStart = {
  name: 'signalbox',
  open: async (upstreamPorts) => {
    const product = await startProduct({ wrapper: serverCore, env: { SIGNALBOX_LOG_LEVEL: 'info' } })
    try {
      for (const behaviour of behaviours) await setUpRoute(product.graphql, behaviour, upstreamPorts[behaviour])
      const key = await createKey(product.graphql)
      const port = Number(new URL(product.gatewayUrl).port)
      return {
        name: 'signalbox',
        address: () => ({ port, path: chatPath, headers: { authorization: `Bearer ${key}` } }),
        // The database is a neighbour, not part of the data plane: `postgres` is not counted.
        pids: () => processTree(product.pid, (commandLine) => commandLine.includes('main.ts')),
        close: async () => void (await product.stop()),
      }
    } catch (error) {
      await product.stop()
      throw error
    }
  },
}

/** Makes a key for inference; returns its secret. */
export async function createKey(graphql: GraphqlClient, name = 'bench'): Promise<string> {
  const { secret } = await graphql.change<{ secret: string }>(
    'mutation ($name: String!) { apiKeyCreate(input: { name: $name }) { secret userErrors { message code path } } }',
    { name },
  )
  return secret
}

/** A deployment without a route, with one endpoint on loopback. */
export async function createDeployment(graphql: GraphqlClient, name: string, port: number): Promise<void> {
  await graphql.change(
    `mutation ($input: DeploymentCreateInput!) {
      deploymentCreate(input: $input) { userErrors { message code path } }
    }`,
    {
      input: {
        name,
        upstreamModel: 'bench',
        endpoints: [{ url: `http://127.0.0.1:${port}/v1` }],
        enableModelRoute: false,
      },
    },
  )
}

/** A route over deployments. */
export async function createRoute(
  graphql: GraphqlClient,
  name: string,
  weights: Readonly<Record<string, number>>,
  fallback?: string,
): Promise<void> {
  const targets = Object.entries(weights).map(([deployment, weight]) => ({ backend: { deployment }, weight }))
  await graphql.change(
    `mutation ($input: RouteCreateInput!) { routeCreate(input: $input) { userErrors { message code path } } }`,
    { input: { name, targets, ...(fallback && { fallback: { backends: [{ deployment: fallback }] } }) } },
  )
}

async function setUpRoute(graphql: GraphqlClient, behaviour: Behaviour, port: number): Promise<void> {
  for (const suffix of ['one', 'two', 'three']) await createDeployment(graphql, `${behaviour}-${suffix}`, port)
  await createRoute(graphql, behaviour, { [`${behaviour}-one`]: 100, [`${behaviour}-two`]: 200 }, `${behaviour}-three`)
}
