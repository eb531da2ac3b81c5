import { createRoute } from '../../control/route/create.ts'
import { removeRoute } from '../../control/route/delete.ts'
import { updateRoute } from '../../control/route/update.ts'
import { setRouteAccess } from '../../control/route/access.ts'
import { setRouteFallback } from '../../control/route/fallback.ts'
import { rollbackRoute } from '../../control/route/rollback.ts'
import { writesConfig, writesTraffic } from '../kit/authorisation.ts'
import { builder } from '../schema/builder.ts'
import { DeletePayload, runCommand } from '../kit/payload.ts'
import {
  RouteAccessSetInput,
  RouteCreateInput,
  RouteDeleteInput,
  RouteFallbackSetInput,
  RouteRollbackInput,
  RouteUpdateInput,
} from './input.ts'
import { RoutePayload } from './payload.ts'

builder.mutationFields((t) => ({
  routeCreate: t.field({
    type: RoutePayload,
    nullable: true,
    description: 'Creates a route.',
    authScopes: writesConfig,
    args: { input: t.arg({ type: RouteCreateInput, required: true, description: 'The route.' }) },
    resolve: (_root, { input }, context) => runCommand(context, createRoute, input),
  }),
  routeUpdate: t.field({
    type: RoutePayload,
    nullable: true,
    description:
      'Changes the name, description, categories, state, timeouts, affinity, balancing or `rewritesModel` of a route.',
    authScopes: writesConfig,
    args: { input: t.arg({ type: RouteUpdateInput, required: true, description: 'What to change.' }) },
    resolve: (_root, { input }, context) => runCommand(context, updateRoute, input),
  }),
  routeDelete: t.field({
    type: DeletePayload,
    nullable: true,
    description: 'Deletes a route. Requests with its name are refused from then on.',
    authScopes: writesConfig,
    args: { input: t.arg({ type: RouteDeleteInput, required: true, description: 'What to delete.' }) },
    resolve: (_root, { input }, context) => runCommand(context, removeRoute, input),
  }),
  routeFallbackSet: t.field({
    type: RoutePayload,
    nullable: true,
    description: 'Replaces or removes the fallback of a route.',
    authScopes: writesTraffic,
    args: { input: t.arg({ type: RouteFallbackSetInput, required: true, description: 'The new fallback.' }) },
    resolve: (_root, { input }, context) => runCommand(context, setRouteFallback, input),
  }),
  routeAccessSet: t.field({
    type: RoutePayload,
    nullable: true,
    description: 'Replaces the access of a route.',
    authScopes: writesConfig,
    args: { input: t.arg({ type: RouteAccessSetInput, required: true, description: 'The new access.' }) },
    resolve: (_root, { input }, context) => runCommand(context, setRouteAccess, input),
  }),
  routeRollback: t.field({
    type: RoutePayload,
    nullable: true,
    description: 'Restores an earlier revision of a route as a new one.',
    authScopes: writesConfig,
    args: { input: t.arg({ type: RouteRollbackInput, required: true, description: 'What to restore.' }) },
    resolve: (_root, { input }, context) => runCommand(context, rollbackRoute, input),
  }),
}))
