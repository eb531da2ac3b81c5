import type { RouteRow } from '../../storage/route/write.ts'
import { getBackend } from '../backend/type.ts'
import { builder } from '../schema/builder.ts'
import { FallbackTrigger } from './enums.ts'
import { RouteBackendRef } from '../backend/ref.ts'

/** The fallback of a route that has one. */
export const RouteFallbackRef = builder.objectRef<RouteRow>('RouteFallback').implement({
  description:
    'Ordered backends for requests whose weighted target failed. They have no weight, and none of them is a target of the route.',
  fields: (t) => ({
    backends: t.field({
      type: [RouteBackendRef],
      description: '1 to 8, tried in order.',
      resolve: async ({ id }, _args, context) => {
        const { fallbackBackendIds } = await context.loaders.destinationsOfRoute.load(id)
        return Promise.all(fallbackBackendIds.map((backendId) => getBackend(context, backendId)))
      },
    }),
    triggers: t.field({
      type: [FallbackTrigger],
      description: 'The failures after which a request moves on to the fallback.',
      resolve: (route) => route.fallback_triggers!,
    }),
    maxAttempts: t.int({
      description: 'Most upstream attempts per request, the first included.',
      resolve: (route) => route.fallback_max_attempts!,
    }),
  }),
})
