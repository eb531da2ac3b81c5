import { findBackend } from '../../storage/backend/read.ts'
import type { PageRequest } from '../../storage/database/page.ts'
import type { Db } from '../../storage/database/db.ts'
import { countRoutes, findRoute, listRoutes, type RouteFilter } from '../../storage/route/read.ts'
import { readsConfig, seesConfig } from '../kit/authorisation.ts'
import { builder } from '../schema/builder.ts'
import { connectObjects } from '../kit/object-list.ts'
import { ObjectOrderInput } from '../kit/object-order.ts'
import { connect, pageArgs, pageCost } from '../kit/connection.ts'
import { ModelCategory } from '../backend/enums.ts'
import { RouteAffinity, RouteBalancing } from './enums.ts'
import { ServingState } from '../kit/enums.ts'
import { RouteRefInput } from '../kit/references-input.ts'
import { DeploymentRef } from '../deployment/ref.ts'
import { NodeRef, VersionedRef } from '../schema/refs.ts'
import { RouteRef, RouteTargetRef } from './ref.ts'
import { RouteAccessRef } from './access.ts'
import { RouteConnection } from './connection.ts'
import { RouteFallbackRef } from './fallback.ts'
import { RouteFilterInput } from './input.ts'
import { RouteRevisionConnection } from './revision.ts'
import { availabilityOf } from './target.ts'
import { RouteTimeoutsRef } from './timeouts.ts'
import { RouteTrafficRef } from './traffic.ts'

/** `Route.traffic` shows the last minute. */
const trafficWindowMs = 60_000

builder.objectType(RouteRef, {
  description: 'What clients send as `model`: a name that spreads requests over weighted targets, with a fallback.',
  interfaces: [NodeRef, VersionedRef],
  authScopes: seesConfig,
  fields: (t) => ({
    revision: t.exposeInt('revision', {
      description: 'Responses of the gateway carry it as `x-signalbox-revision`.',
    }),
    name: t.exposeString('name', {
      description:
        'Unique; 1 to 128 characters of `A-Z a-z 0-9 . _ : / -`, beginning and ending with a letter or digit.',
      skipTypeScopes: true,
    }),
    description: t.exposeString('description', { description: 'For people.' }),
    categories: t.expose('categories', { type: [ModelCategory], description: 'What it is for.' }),
    state: t.expose('state', { type: ServingState, description: 'Whether it takes requests.' }),
    targets: t.field({
      type: [RouteTargetRef],
      description: 'At most 64, in order of creation.',
      resolve: async ({ id }, _args, { loaders }) => (await loaders.destinationsOfRoute.load(id)).targets,
    }),
    readyTargets: t.int({
      description: 'Targets that could take a request now; 0 if the route takes none.',
      resolve: async ({ id, state }, _args, context) =>
        state !== 'ACTIVE'
          ? 0
          : (await context.loaders.destinationsOfRoute.load(id)).targets.filter(
              (target) => availabilityOf(context, target) === 'AVAILABLE',
            ).length,
    }),
    fallback: t.field({
      type: RouteFallbackRef,
      nullable: true,
      description: 'Null: there is no fallback, and a request fails when its target fails.',
      resolve: (route) => (route.fallback_triggers ? route : null),
    }),
    timeouts: t.field({
      type: RouteTimeoutsRef,
      description: 'How long a request may take.',
      resolve: (route) => route,
    }),
    affinity: t.expose('affinity', {
      type: RouteAffinity,
      description: 'Whether requests of one session go to the same target.',
    }),
    balancing: t.expose('balancing', {
      type: RouteBalancing,
      description: 'How the target of a new request, or of a new session, is chosen.',
    }),
    rewritesModel: t.exposeBoolean('rewrites_model', {
      description: "Whether the answer's `model` is the route's name instead of the upstream's.",
    }),
    access: t.field({ type: RouteAccessRef, description: 'Who may call it.', resolve: (route) => route }),
    createdWith: t.field({
      type: DeploymentRef,
      nullable: true,
      description:
        'The deployment that it was created with; null if it was created by itself or if that deployment was deleted.',
      resolve: (route, _args, { loaders }) =>
        route.created_with_id === null ? null : loaders.deployment.load(route.created_with_id),
    }),
    traffic: t.field({
      type: RouteTrafficRef,
      description: 'Observed traffic of the last minute.',
      resolve: async ({ id }, _args, { live }) => ({
        ...(await live.traffic.read(id, trafficWindowMs)),
        sequence: 1,
      }),
    }),
    revisions: t.field({
      type: RouteRevisionConnection,
      description: 'Every committed state, newest first.',
      authScopes: readsConfig,
      args: pageArgs(t.arg),
      complexity: pageCost,
      resolve: ({ id: parentId }, args, context, info) => {
        const { loaders } = context
        const source = {
          list: `Route.revisions ${parentId}`,
          read: (request: PageRequest) => loaders.revisionsOfRoute.load({ parentId, request }),
          count: () => loaders.revisionCountOfRoute.load(parentId),
        }
        return connect(context, source, args, info)
      },
    }),
  }),
})

builder.queryFields((t) => ({
  route: t.field({
    type: RouteRef,
    nullable: true,
    description: 'The route with this id or name; null if there is none.',
    authScopes: readsConfig,
    args: { by: t.arg({ type: RouteRefInput, required: true, description: 'The object to read.' }) },
    resolve: async (_root, { by }, { db }) => (await findRoute(db, by)) ?? null,
  }),
  routes: t.field({
    type: RouteConnection,
    description: 'In order of creation, unless `orderBy` says otherwise.',
    authScopes: readsConfig,
    complexity: pageCost,
    args: {
      ...pageArgs(t.arg),
      orderBy: t.arg({ type: ObjectOrderInput, description: 'Omitted: in order of creation.' }),
      filter: t.arg({ type: RouteFilterInput, description: 'Omitted: all.' }),
    },
    resolve: async (_root, args, context, info) => {
      const { db } = context
      const filter = await resolveFilter(db, args.filter)
      return connectObjects(context, { name: 'routes', read: listRoutes, count: countRoutes }, filter, args, info)
    },
  }),
}))

async function resolveFilter(
  db: Db,
  filter: typeof RouteFilterInput.$inferInput | null | undefined,
): Promise<RouteFilter> {
  const backend = filter?.backend && (await findBackend(db, filter.backend))
  return {
    search: filter?.search ?? null,
    // No route uses a backend that does not exist.
    backendId: filter?.backend ? (backend?.id ?? '') : null,
    categories: filter?.categories ?? null,
    state: filter?.state ?? null,
  }
}
