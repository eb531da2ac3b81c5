import { readyEndpoints } from '../../routing/choose/availability.ts'
import { countDeployments, type DeploymentRow, findDeployment, listDeployments } from '../../storage/deployment/read.ts'
import type { DeploymentProbeRow } from '../../storage/deployment/probe.ts'
import { readsConfig, seesConfig, seesUpstreams } from '../kit/authorisation.ts'
import { BackendWarningRef, warningsOfDeployment } from '../backend/warning.ts'
import { builder } from '../schema/builder.ts'
import { connectObjects } from '../kit/object-list.ts'
import { ObjectOrderInput } from '../kit/object-order.ts'
import { connectionType, pageArgs, pageCost } from '../kit/connection.ts'
import type { GraphQLContext } from '../kit/context.ts'
import { DeploymentEngine, LoadBalancing } from './enums.ts'
import { HealthCheckRef } from '../backend/health-check.ts'
import { DeploymentRefInput } from '../kit/references-input.ts'
import { BackendRequestRulesRef } from '../backend/request-rules.ts'
import { DeploymentEndpointRef, DeploymentRef } from './ref.ts'
import { NodeRef, VersionedRef } from '../schema/refs.ts'
import { RouteBackendRef } from '../backend/ref.ts'

const DeploymentQueue = builder.objectRef<{ maxWaiting: number; maxWaitMs: number }>('DeploymentQueue').implement({
  description:
    'The queue of a saturated deployment. With `maxWaiting: 0` a request is refused, or moves on to the fallback, at once.',
  fields: (t) => ({
    maxWaiting: t.exposeInt('maxWaiting', { description: 'Most requests that wait at the same time.' }),
    maxWaitMs: t.exposeInt('maxWaitMs', { description: 'The longest wait.' }),
  }),
})

const maxShownModels = 500

const DeploymentProbe = builder.objectRef<DeploymentProbeRow>('DeploymentProbe').implement({
  description: 'What an endpoint answered when it was last asked for its models.',
  fields: (t) => ({
    at: t.field({ type: 'DateTime', description: 'When it was asked.', resolve: ({ at }) => at }),
    models: t.stringList({
      nullable: true,
      description: 'The models that it lists, at most 500; null if it does not list models.',
      resolve: ({ answers }) => {
        const models = new Set(answers.flatMap((answer) => answer.models ?? []))
        return models.size === 0 ? null : [...models].slice(0, maxShownModels)
      },
    }),
  }),
})

builder.objectType(DeploymentRef, {
  description: 'A self-hosted model: one served model name behind one or more endpoints.',
  interfaces: [NodeRef, VersionedRef, RouteBackendRef],
  authScopes: seesConfig,
  fields: (t) => ({
    name: t.exposeString('name', { description: 'Unique.', skipTypeScopes: true }),
    description: t.exposeString('description', { description: 'For people.' }),
    engine: t.expose('engine', { type: DeploymentEngine, description: 'The serving software.' }),
    loadBalancing: t.expose('load_balancing', {
      type: LoadBalancing,
      description: 'How a request chooses among the endpoints.',
    }),
    healthCheck: t.expose('health_check', {
      type: HealthCheckRef,
      nullable: true,
      description: 'How endpoints are probed. Null: only the outcomes of requests decide about their health.',
    }),
    queue: t.field({
      type: DeploymentQueue,
      description: 'What happens when every endpoint is at its `maxInFlight`.',
      resolve: (row) => ({ maxWaiting: row.queue_max_waiting, maxWaitMs: row.queue_max_wait_ms }),
    }),
    requestRules: t.field({
      type: BackendRequestRulesRef,
      description: 'Which headers pass to it and back besides the fixed lists, and what is changed in its requests.',
      resolve: (row) => row,
    }),
    caCertificates: t.exposeString('ca_certificates', {
      nullable: true,
      description: "PEM of certificate authorities to trust besides the system's.",
    }),
    endpoints: t.field({
      type: [DeploymentEndpointRef],
      description: 'At most 256, in order of creation.',
      resolve: ({ id }, _args, { loaders }) => loaders.endpointsOfDeployment.load(id),
    }),
    readyEndpoints: t.int({
      description: 'Endpoints that take traffic and are healthy.',
      resolve: (row, _args, context) => countReadyEndpoints(context, row),
    }),
    warnings: t.field({
      type: [BackendWarningRef],
      description:
        'Why it will probably not answer, judged by the last probe and by the settings of this installation.',
      resolve: (row, _args, context) => warningsOfDeployment(context, row),
    }),
    probe: t.field({
      type: DeploymentProbe,
      nullable: true,
      description:
        'What its endpoints answered when they were last asked for their models; null if they were not asked.',
      resolve: async ({ id }, _args, { loaders }) => (await loaders.probesOfDeployment.load(id))[0] ?? null,
    }),
    secretHint: t.exposeString('secret_hint', {
      authScopes: seesUpstreams,
      skipTypeScopes: true,
      nullable: true,
      description: 'The last four characters of the bearer token sent to its endpoints; null if none.',
    }),
  }),
})

function countReadyEndpoints({ control, live }: GraphQLContext, { id }: DeploymentRow): number {
  const backend = control.snapshots.current().backends.get(id)
  return backend?.kind === 'deployment' ? readyEndpoints(backend, live.view) : 0
}

const DeploymentConnection = connectionType('Deployment', DeploymentRef, {
  isCounted: true,
  description: 'A page of deployments.',
})

builder.queryFields((t) => ({
  deployment: t.field({
    type: DeploymentRef,
    nullable: true,
    description: 'The deployment with this id or name; null if there is none.',
    authScopes: readsConfig,
    args: { by: t.arg({ type: DeploymentRefInput, required: true, description: 'The object to read.' }) },
    resolve: async (_root, { by }, { db }) => (await findDeployment(db, by)) ?? null,
  }),
  deployments: t.field({
    type: DeploymentConnection,
    description: 'In order of creation, unless `orderBy` says otherwise.',
    authScopes: readsConfig,
    complexity: pageCost,
    args: {
      ...pageArgs(t.arg),
      orderBy: t.arg({ type: ObjectOrderInput, description: 'Omitted: in order of creation.' }),
      search: t.arg.string({ description: 'Part of the name, whatever its case.' }),
    },
    resolve: (_root, args, context, info) => {
      const filter = { search: args.search ?? null }
      return connectObjects(
        context,
        { name: 'deployments', read: listDeployments, count: countDeployments },
        filter,
        args,
        info,
      )
    },
  }),
}))
