import { addRouteTarget, removeRouteTarget, replaceRouteTarget, setRouteTargets } from '../../control/route/targets.ts'
import { setRouteTraffic, setRouteTrafficBulk } from '../../control/route/traffic.ts'
import { writesConfig, writesTraffic } from '../kit/authorisation.ts'
import { builder } from '../schema/builder.ts'
import { runCommand } from '../kit/payload.ts'
import { RoutePayload, RoutesPayload, RouteTargetPayload } from './payload.ts'
import {
  RouteTargetAddInput,
  RouteTargetRemoveInput,
  RouteTargetReplaceInput,
  RouteTargetsSetInput,
} from './target-input.ts'
import { RouteTrafficBulkSetInput, RouteTrafficSetInput } from './traffic-input.ts'

builder.mutationFields((t) => ({
  routeTrafficSet: t.field({
    type: RoutePayload,
    nullable: true,
    description: 'Sets all weights of a route.',
    authScopes: writesTraffic,
    args: { input: t.arg({ type: RouteTrafficSetInput, required: true, description: 'The new weights.' }) },
    resolve: (_root, { input }, context) => runCommand(context, setRouteTraffic, input),
  }),
  routeTrafficBulkSet: t.field({
    type: RoutesPayload,
    nullable: true,
    description: 'Sets the weights of several routes in one transaction, all or none.',
    authScopes: writesTraffic,
    args: { input: t.arg({ type: RouteTrafficBulkSetInput, required: true, description: 'The new weights.' }) },
    resolve: (_root, { input }, context) => runCommand(context, setRouteTrafficBulk, input),
  }),
  routeTargetsSet: t.field({
    type: RoutePayload,
    nullable: true,
    description: 'Replaces the whole list of targets of a route.',
    authScopes: writesConfig,
    args: { input: t.arg({ type: RouteTargetsSetInput, required: true, description: 'The new list.' }) },
    resolve: (_root, { input }, context) => runCommand(context, setRouteTargets, input),
  }),
  routeTargetAdd: t.field({
    type: RouteTargetPayload,
    nullable: true,
    description: 'Adds a target to a route.',
    authScopes: writesConfig,
    args: { input: t.arg({ type: RouteTargetAddInput, required: true, description: 'The new target.' }) },
    resolve: (_root, { input }, context) => runCommand(context, addRouteTarget, input),
  }),
  routeTargetReplace: t.field({
    type: RouteTargetPayload,
    nullable: true,
    description: 'Replaces a target by another one with the new backend.',
    authScopes: writesConfig,
    args: {
      input: t.arg({
        type: RouteTargetReplaceInput,
        required: true,
        description: 'The target to replace, and its new backend.',
      }),
    },
    resolve: (_root, { input }, context) => runCommand(context, replaceRouteTarget, input),
  }),
  routeTargetRemove: t.field({
    type: RoutePayload,
    nullable: true,
    description: 'Removes a target of a route.',
    authScopes: writesConfig,
    args: { input: t.arg({ type: RouteTargetRemoveInput, required: true, description: 'What to remove.' }) },
    resolve: (_root, { input }, context) => runCommand(context, removeRouteTarget, input),
  }),
}))
