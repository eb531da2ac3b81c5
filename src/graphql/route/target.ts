import { targetAvailability } from '../../routing/choose/availability.ts'
import type { TargetAvailability as TargetAvailabilityWord } from '../../routing/config/vocabulary.ts'
import type { RouteTargetRow } from '../../storage/route/read.ts'
import { seesConfig } from '../kit/authorisation.ts'
import { getBackend } from '../backend/type.ts'
import { builder } from '../schema/builder.ts'
import type { GraphQLContext } from '../kit/context.ts'
import { TargetAvailability } from './enums.ts'
import { NodeRef } from '../schema/refs.ts'
import { RouteBackendRef } from '../backend/ref.ts'
import { RouteRef, RouteTargetRef } from './ref.ts'

builder.objectType(RouteTargetRef, {
  description: 'A weighted share of a route.',
  interfaces: [NodeRef],
  authScopes: seesConfig,
  fields: (t) => ({
    id: t.exposeID('id', {
      description:
        'It stays the same when the weight changes. Replacing the backend creates a new target with a new id.',
      skipTypeScopes: true,
    }),
    backend: t.field({
      type: RouteBackendRef,
      description: 'What it sends requests to.',
      skipTypeScopes: true,
      resolve: (target, _args, context) => getBackend(context, target.backend_id),
    }),
    weight: t.exposeInt('weight', {
      description:
        '0 to 1,000,000, relative to the other weights of the route. 0: the target is configured, but gets no traffic, not even as a fallback.',
    }),
    share: t.float({
      description: '`weight` divided by the sum of all weights of the route, 0 to 1.',
      resolve: async (target, _args, { loaders }) => {
        const { targets } = await loaders.destinationsOfRoute.load(target.route_id)
        const total = targets.reduce((sum, other) => sum + other.weight, 0)
        return total === 0 ? 0 : target.weight / total
      },
    }),
    availability: t.field({
      type: TargetAvailability,
      description: 'Whether it could take a request now, and if not, why.',
      resolve: (target, _args, context) => availabilityOf(context, target),
    }),
    route: t.field({
      type: RouteRef,
      description: 'The route that it belongs to.',
      skipTypeScopes: true,
      resolve: async (target, _args, { loaders }) => (await loaders.route.load(target.route_id))!,
    }),
  }),
})

/** Whether the gateway could use the target now. */
export function availabilityOf({ control, live }: GraphQLContext, row: RouteTargetRow): TargetAvailabilityWord {
  const { id, weight, backend_id: backendId } = row
  const backend = control.snapshots.current().backends.get(backendId)
  return targetAvailability({ id, backendId, weight, share: 0 }, backend, live.view, null)
}
