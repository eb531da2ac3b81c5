import type { RouteRevisionState } from '../../storage/route/tables.ts'
import { ActorRef, loadActor } from '../kit/actor.ts'
import { seesConfig } from '../kit/authorisation.ts'
import { loadBackend } from '../backend/type.ts'
import { builder } from '../schema/builder.ts'
import { connectionType } from '../kit/connection.ts'
import { RouteChangeKind } from './enums.ts'
import { fault } from '../kit/fault.ts'
import { NodeRef } from '../schema/refs.ts'
import { RouteBackendRef } from '../backend/ref.ts'
import { RouteRef, RouteRevisionRef } from './ref.ts'

const RouteRevisionTarget = builder.objectRef<RouteRevisionState['targets'][number]>('RouteRevisionTarget').implement({
  description: 'A target as it was, readable after a deletion.',
  fields: (t) => ({
    targetId: t.exposeID('targetId', { description: "The target's id." }),
    backendLabel: t.exposeString('backendLabel', { description: 'What its backend was called.' }),
    backend: t.field({
      type: RouteBackendRef,
      nullable: true,
      description: 'Null if it was deleted.',
      resolve: ({ backendId }, _args, context) => loadBackend(context, backendId),
    }),
    weight: t.exposeInt('weight', { description: 'Its weight at that time.' }),
  }),
})

builder.objectType(RouteRevisionRef, {
  description: 'One committed state of a route. Immutable.',
  interfaces: [NodeRef],
  authScopes: seesConfig,
  fields: (t) => ({
    route: t.field({
      type: RouteRef,
      description: 'The route.',
      resolve: async (revision, _args, { loaders }) => {
        const route = await loaders.route.load(revision.route_id)
        if (!route) throw fault('NOT_FOUND', 'The route of this revision was deleted.')
        return route
      },
    }),
    number: t.exposeInt('number', { description: '`Route.revision` at that time.' }),
    kind: t.field({
      type: RouteChangeKind,
      description: 'What the change was.',
      resolve: (revision) => revision.kind,
    }),
    actor: t.field({
      type: ActorRef,
      nullable: true,
      description: 'Null if the actor was deleted.',
      resolve: (revision, _args, context) => loadActor(context, revision.actor_id),
    }),
    actorId: t.exposeID('actor_id', { description: "Readable after the actor's deletion." }),
    actorLabel: t.string({
      description: 'Its name at that time, with the name of its owner.',
      // Entries written by an earlier release have no label.
      resolve: (revision) => revision.actor_label ?? revision.actor_id,
    }),
    configVersion: t.field({
      type: 'SafeInt',
      nullable: true,
      description: 'The version that the change created. Null: recorded by an earlier release.',
      resolve: (revision) => revision.config_version,
    }),
    reason: t.exposeString('reason', { nullable: true, description: 'Why, in the words of the actor.' }),
    createdAt: t.field({
      type: 'DateTime',
      description: 'When it was committed.',
      resolve: (revision) => revision.created_at,
    }),
    targets: t.field({
      type: [RouteRevisionTarget],
      description: 'In order of creation.',
      resolve: ({ state }) => state.targets,
    }),
    fallback: t.stringList({
      description: "Labels of the fallback's backends, in order.",
      resolve: ({ state }) => state.fallback?.backends.map((backend) => backend.backendLabel) ?? [],
    }),
  }),
})

export const RouteRevisionConnection = connectionType('RouteRevision', RouteRevisionRef, {
  isCounted: true,
  description: "A page of a route's history.",
})
