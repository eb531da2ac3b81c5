import { seesConfig, seesUpstreams } from '../kit/authorisation.ts'
import { builder } from '../schema/builder.ts'
import { ServingState } from '../kit/enums.ts'
import { BackendHealthRef } from '../backend/health.ts'
import { DeploymentEndpointRef, DeploymentRef } from './ref.ts'
import { NodeRef } from '../schema/refs.ts'

builder.objectType(DeploymentEndpointRef, {
  description: 'One replica of a deployment.',
  interfaces: [NodeRef],
  authScopes: seesConfig,
  fields: (t) => ({
    url: t.expose('url', {
      type: 'URL',
      authScopes: seesUpstreams,
      skipTypeScopes: true,
      description: 'Base URL of its OpenAI-compatible API, e.g. `http://10.0.0.7:8000/v1`.',
    }),
    weight: t.exposeInt('weight', { description: 'Relative capacity, 1 to 1,000.' }),
    maxInFlight: t.exposeInt('max_in_flight', {
      nullable: true,
      description: 'Most requests in flight, over all gateways; null: no bound.',
    }),
    state: t.expose('state', { type: ServingState, description: 'Whether it takes traffic.' }),
    health: t.field({
      type: BackendHealthRef,
      nullable: true,
      description: 'Its health; null until a gateway has reported it.',
      resolve: ({ id }, _args, { live }) => live.health(id),
    }),
    inFlight: t.int({
      description: 'Requests in flight now, over all gateways.',
      resolve: ({ id }, _args, { live }) => live.view.inFlight(id),
    }),
    deployment: t.field({
      type: DeploymentRef,
      description: 'The deployment that it belongs to.',
      resolve: async (row, _args, { loaders }) => (await loaders.deployment.load(row.deployment_id))!,
    }),
  }),
})
