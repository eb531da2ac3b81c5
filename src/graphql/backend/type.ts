import { engineOperations, listKnownOperations, providerOperations } from '../../routing/vendors/backend-operations.ts'
import { typeOfId } from '../../routing/config/object-id.ts'
import { pricingOf } from '../../storage/backend/pricing-columns.ts'
import { readsConfig } from '../kit/authorisation.ts'
import { builder } from '../schema/builder.ts'
import { connect, pageArgs, pageCost } from '../kit/connection.ts'
import type { GraphQLContext } from '../kit/context.ts'
import { ModelCategory } from './enums.ts'
import { ServingState } from '../kit/enums.ts'
import { fault } from '../kit/fault.ts'
import { BackendHealthRef, worstHealth } from './health.ts'
import { ModelPricingRef } from './pricing.ts'
import { type BackendRow, RouteBackendRef } from './ref.ts'
import { NodeRef } from '../schema/refs.ts'
import { RouteConnection } from '../route/connection.ts'

builder.interfaceType(RouteBackendRef, {
  description: 'A model that serves requests: a provider model or a deployment.',
  interfaces: [NodeRef],
  resolveType: ({ id }) => typeOfId(id),
  fields: (t) => ({
    label: t.string({
      description: "For people: `provider/model`, or the deployment's name.",
      skipTypeScopes: true,
      resolve: (row) => ('provider_name' in row ? `${row.provider_name}/${row.upstream_model}` : row.name),
    }),
    upstreamModel: t.string({
      description: 'The model name that is sent upstream.',
      resolve: (row) => row.upstream_model,
    }),
    categories: t.expose('categories', { type: [ModelCategory], description: 'What the model is for.' }),
    pricing: t.field({
      type: ModelPricingRef,
      nullable: true,
      description: 'Prices; null if unknown. The cost of its requests is then null too, never 0.',
      resolve: pricingOf,
    }),
    operations: t.stringList({
      nullable: true,
      description:
        "Operations that it serves, e.g. `/v1/messages`. Requests for other operations are not sent to it. They follow from the provider's kind or the deployment's engine unless an operator states them. Null: unknown, so every operation is tried; an operation whose path it answers with 404 or 405 is not sent to it for 10 minutes. A request for `/v2/rerank` is sent as `/v1/rerank` to a backend that has only `/v1/rerank`.",
      resolve: (row) =>
        row.operations ??
        listKnownOperations(
          'provider_name' in row ? providerOperations[row.provider_kind] : engineOperations[row.engine],
        ),
    }),
    contextTokens: t.int({
      nullable: true,
      description: 'Tokens that fit into one request, the answer included; null if unknown.',
      resolve: (row) => row.context_tokens,
    }),
    state: t.field({
      type: ServingState,
      description: 'Whether it takes traffic. A provider model has the state of its provider.',
      resolve: (row) => ('provider_state' in row ? row.provider_state : row.state),
    }),
    health: t.field({
      type: BackendHealthRef,
      nullable: true,
      description: 'Its health; null until a gateway has reported it.',
      resolve: async (row, _args, context) => worstHealth(context.live, await healthIdsOf(context, row)),
    }),
    routes: t.field({
      type: RouteConnection,
      description: 'The routes that use it as a target or fallback.',
      args: pageArgs(t.arg),
      authScopes: readsConfig,
      complexity: pageCost,
      resolve: (row, args, context, info) => connect(context, routesOf(context, row.id), args, info),
    }),
  }),
})

async function healthIdsOf({ loaders }: GraphQLContext, row: BackendRow): Promise<readonly string[]> {
  if ('provider_id' in row) return [row.id]
  return (await loaders.endpointsOfDeployment.load(row.id)).map((endpoint) => endpoint.id)
}

function routesOf({ loaders }: GraphQLContext, backendId: string) {
  return {
    list: `RouteBackend.routes ${backendId}`,
    read: (request: Parameters<typeof loaders.routesOfBackend.load>[0]['request']) =>
      loaders.routesOfBackend.load({ parentId: backendId, request }),
    count: () => loaders.routeCountOfBackend.load(backendId),
  }
}

/** The backend with this id; null if it was deleted. */
export function loadBackend({ loaders }: GraphQLContext, id: string): Promise<BackendRow | null> {
  return typeOfId(id) === 'Deployment' ? loaders.deployment.load(id) : loaders.providerModel.load(id)
}

/** The backend that a route refers to. It can only be missing if both were changed between two reads: then this throws `NOT_FOUND`. */
export async function getBackend(context: GraphQLContext, id: string): Promise<BackendRow> {
  const backend = await loadBackend(context, id)
  if (!backend) throw fault('NOT_FOUND', 'A backend of the route was deleted meanwhile: read again.')
  return backend
}
