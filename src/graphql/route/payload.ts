import type { Answer } from '../../control/kit/context.ts'
import type { RouteAndTarget } from '../../control/route/targets.ts'
import { builder } from '../schema/builder.ts'
import { MutationPayloadRef } from '../kit/payload.ts'
import { RouteRef, RouteTargetRef } from './ref.ts'

/** The payload of a command whose value is the route's id. */
export const RoutePayload = builder.objectRef<Answer<string>>('RoutePayload').implement({
  description: 'The answer to a change of a route.',
  interfaces: [MutationPayloadRef],
  fields: (t) => ({
    route: t.field({
      type: RouteRef,
      nullable: true,
      description: 'The route after the change; null if nothing was committed.',
      resolve: (answer, _args, { loaders }) => (answer.ok ? loaders.route.load(answer.value) : null),
    }),
  }),
})

export const RoutesPayload = builder.objectRef<Answer<readonly string[]>>('RoutesPayload').implement({
  description: 'The answer to a change of several routes.',
  interfaces: [MutationPayloadRef],
  fields: (t) => ({
    routes: t.field({
      type: [RouteRef],
      nullable: true,
      description: 'The routes after the change, in the order of the input; null if nothing was committed.',
      resolve: async (answer, _args, { loaders }) => {
        if (!answer.ok) return null
        const routes = await Promise.all(answer.value.map((id) => loaders.route.load(id)))
        return routes.filter((route) => route !== null)
      },
    }),
  }),
})

export const RouteTargetPayload = builder.objectRef<Answer<RouteAndTarget>>('RouteTargetPayload').implement({
  description: 'The answer to a change of one target.',
  interfaces: [MutationPayloadRef],
  fields: (t) => ({
    route: t.field({
      type: RouteRef,
      nullable: true,
      description: 'The route after the change; null if nothing was committed.',
      resolve: (answer, _args, { loaders }) => (answer.ok ? loaders.route.load(answer.value.routeId) : null),
    }),
    target: t.field({
      type: RouteTargetRef,
      nullable: true,
      description: 'The new target; null if nothing was committed.',
      resolve: (answer, _args, { loaders }) => (answer.ok ? loaders.target.load(answer.value.targetId) : null),
    }),
  }),
})
