import { apiKeyStateOf, countApiKeys, listApiKeys } from '../storage/api-key-read.ts'
import { ApiKeyConnection } from './api-key-connection.ts'
import { administers, managesKeys } from './authorisation.ts'
import { builder } from './builder.ts'
import { connect, pageArgs, pageCost } from './connection.ts'
import { ApiKeyScope, ApiKeyState } from './enums.ts'
import { ApiKeyRef, NodeRef, RouteRef, UserRef, VersionedRef } from './refs.ts'

builder.objectType(ApiKeyRef, {
  description: 'A key of this platform. Only its hash is stored.',
  interfaces: [NodeRef, VersionedRef],
  authScopes: (key, { actor }) => (key.owner_id === actor.userId ? true : administers),
  fields: (t) => ({
    name: t.exposeString('name', { description: 'For people.', skipTypeScopes: true }),
    owner: t.field({
      type: UserRef,
      description: 'Whose key it is.',
      skipTypeScopes: true,
      resolve: async (key, _args, { loaders }) => (await loaders.user.load(key.owner_id))!,
    }),
    prefix: t.exposeString('prefix', {
      description: 'Public start of the key: enough to find it in a log, useless to call with.',
      skipTypeScopes: true,
    }),
    scopes: t.expose('scopes', { type: [ApiKeyScope], description: 'What it may do; never more than its owner.' }),
    routes: t.field({
      type: [RouteRef],
      nullable: true,
      description: 'Routes it may call, at most 1,000; null: all that its owner may.',
      resolve: (key, _args, { loaders }) => (key.is_route_bound ? loaders.routesOfApiKey.load(key.id) : null),
    }),
    state: t.field({
      type: ApiKeyState,
      description: 'Whether it is accepted.',
      resolve: (key) => apiKeyStateOf(key, new Date()),
    }),
    expiresAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'Null: never.',
      resolve: (key) => key.expires_at,
    }),
    lastUsedAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'To the minute; null if never used.',
      resolve: (key) => key.last_used_at,
    }),
  }),
})

builder.queryField('apiKeys', (t) =>
  t.field({
    type: ApiKeyConnection,
    description: 'In order of creation; only its own for a caller without the scope `ADMIN`.',
    authScopes: managesKeys,
    complexity: pageCost,
    args: { ...pageArgs(t.arg), state: t.arg({ type: ApiKeyState, description: 'Omitted: in any state.' }) },
    resolve: (_root, args, context, info) => {
      const { db } = context
      const { actor } = context
      const filter = { state: args.state ?? null, ownerId: actor.scopes.has('ADMIN') ? null : actor.userId }
      const source = {
        list: 'apiKeys',
        read: (request: Parameters<typeof listApiKeys>[2]) => listApiKeys(db, filter, request),
        count: () => countApiKeys(db, filter),
      }
      return connect(context, source, args, info)
    },
  }),
)
