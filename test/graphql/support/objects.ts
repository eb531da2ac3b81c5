/** What tests of the API begin with, made by the API. */
import type { GraphqlClient } from '../../support/graphql-client.ts'

const errors = 'userErrors { code path message }'

export async function addProvider(
  graphql: GraphqlClient,
  { name, models = ['model'], ...more }: { name: string; models?: readonly string[]; [field: string]: unknown },
): Promise<string> {
  const input = {
    name,
    baseUrl: `http://${name}.test/v1`,
    models: models.map((upstreamModel) => ({ upstreamModel })),
    ...more,
  }
  const { provider } = await graphql.change<{ provider: { id: string } }>(
    `mutation ($input: ProviderCreateInput!) { providerCreate(input: $input) { ${errors} provider { id } } }`,
    { input },
  )
  return provider.id
}

/** Without a route, unless `enableModelRoute` says so. */
export async function addDeployment(
  graphql: GraphqlClient,
  { name, ...more }: { name: string; [field: string]: unknown },
): Promise<string> {
  const input = { name, endpoints: [{ url: `http://${name}.test:8000/v1` }], enableModelRoute: false, ...more }
  const { deployment } = await graphql.change<{ deployment: { id: string } }>(
    `mutation ($input: DeploymentCreateInput!) { deploymentCreate(input: $input) { ${errors} deployment { id } } }`,
    { input },
  )
  return deployment.id
}

export interface MadeRoute {
  readonly id: string
  readonly revision: number
  readonly targets: readonly { readonly id: string }[]
}

export async function addRoute(
  graphql: GraphqlClient,
  input: { name: string; targets: readonly object[]; [field: string]: unknown },
): Promise<MadeRoute> {
  const { route } = await graphql.change<{ route: MadeRoute }>(
    `mutation ($input: RouteCreateInput!) { routeCreate(input: $input) { ${errors} route { id revision targets { id } } } }`,
    { input },
  )
  return route
}
