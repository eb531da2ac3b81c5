import { explain, type ExplainedCandidate, type Explanation } from '../../routing/choose/explain.ts'
import { readsConfig } from '../kit/authorisation.ts'
import { getBackend } from '../backend/type.ts'
import { builder } from '../schema/builder.ts'
import { TargetAvailability } from './enums.ts'
import { RouteBackendRef } from '../backend/ref.ts'
import { RouteRef, RouteTargetRef } from './ref.ts'
import { RouteExplainInput } from './input.ts'

const RouteCandidate = builder.objectRef<ExplainedCandidate>('RouteCandidate').implement({
  description: 'Where a request could go.',
  fields: (t) => ({
    target: t.field({
      type: RouteTargetRef,
      nullable: true,
      description: 'Null for a fallback backend.',
      resolve: ({ targetId }, _args, { loaders }) => (targetId === null ? null : loaders.target.load(targetId)),
    }),
    backend: t.field({
      type: RouteBackendRef,
      description: 'The backend that would be called.',
      resolve: ({ backendId }, _args, context) => getBackend(context, backendId),
    }),
    isFallback: t.exposeBoolean('isFallback', { description: 'Whether it belongs to the fallback.' }),
    probability: t.exposeFloat('probability', { description: 'The chance that the first attempt goes there, 0 to 1.' }),
    availability: t.expose('availability', {
      type: TargetAvailability,
      description: 'Whether it could take a request now, and if not, why.',
    }),
    upstreamModel: t.exposeString('upstreamModel', { description: 'The name that would be sent upstream.' }),
  }),
})

const RouteExplanation = builder.objectRef<Explanation>('RouteExplanation').implement({
  description: 'What the gateway would do with a request now. Nothing is sent.',
  fields: (t) => ({
    refusal: t.exposeInt('refusal', {
      nullable: true,
      description:
        'The status of a refusal that needs no upstream: 401, 403, 404 or 503; null if the request would be sent.',
    }),
    refusalCode: t.exposeString('refusalCode', { nullable: true, description: 'The code of that refusal.' }),
    route: t.field({
      type: RouteRef,
      nullable: true,
      description: 'The route of that name; null if there is none.',
      resolve: ({ routeId }, _args, { loaders }) => (routeId === null ? null : loaders.route.load(routeId)),
    }),
    candidates: t.expose('candidates', {
      type: [RouteCandidate],
      description: 'Every target, then every fallback backend, in order.',
    }),
  }),
})

builder.queryField('routeExplain', (t) =>
  t.field({
    type: RouteExplanation,
    description: 'What the gateway would do with a request, and why.',
    authScopes: readsConfig,
    args: { input: t.arg({ type: RouteExplainInput, required: true, description: 'The request.' }) },
    resolve: (_root, { input }, { control, live }) => {
      const { model, apiKeyId = null, operation } = input
      return explain(control.snapshots.current(), live.view, { model, apiKeyId, operation }, Date.now())
    },
  }),
)
