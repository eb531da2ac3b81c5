import { scopesOfRole } from '../../control/kit/actor.ts'
import { maySeeKeysOf } from '../../control/api-key/authority.ts'
import { type ApiKeyRow, apiKeyStateOf, countApiKeys, listApiKeys } from '../../storage/api-key/read.ts'
import { ApiKeyConnection } from './connection.ts'
import { administers, managesKeys } from '../kit/authorisation.ts'
import { builder } from '../schema/builder.ts'
import { connectObjects } from '../kit/object-list.ts'
import { ObjectOrderInput } from '../kit/object-order.ts'
import { pageArgs, pageCost } from '../kit/connection.ts'
import type { UserRow } from '../../storage/user/read.ts'
import type { GraphQLContext } from '../kit/context.ts'
import { ApiKeyScope, ApiKeyState } from './enums.ts'
import { fault } from '../kit/fault.ts'
import { ApiKeyRef } from './ref.ts'
import { NodeRef, VersionedRef } from '../schema/refs.ts'
import { RouteRef } from '../route/ref.ts'
import { UserRef } from '../user/ref.ts'

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
      resolve: (key, _args, context) => ownerOf(context, key),
    }),
    prefix: t.exposeString('prefix', {
      description: 'The public start of the key. It identifies the key in a log, but cannot be used for calls.',
      skipTypeScopes: true,
    }),
    scopes: t.field({
      type: [ApiKeyScope],
      description: 'What it may do now: never more than its owner.',
      resolve: async (key, _args, context) => {
        const granted = scopesOfRole[(await ownerOf(context, key)).role]
        return key.scopes.filter((scope) => granted.has(scope))
      },
    }),
    grantedScopes: t.expose('scopes', {
      type: [ApiKeyScope],
      description: 'The scopes that it was created with. Each is effective while the owner has it.',
    }),
    routes: t.field({
      type: [RouteRef],
      nullable: true,
      description: 'Routes that the key may call, at most 1,000; null: all that its owner may call.',
      resolve: (key, _args, { loaders }) => (key.is_route_bound ? loaders.routesOfApiKey.load(key.id) : null),
    }),
    state: t.field({
      type: ApiKeyState,
      description: 'Whether it is accepted.',
      resolve: async (key, _args, context) => apiKeyStateOf(key, await ownerOf(context, key), new Date()),
    }),
    expiresAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When the key expires; null: never.',
      resolve: (key) => key.expires_at,
    }),
    lastUsedAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'The last use, accurate to the minute; null if never used.',
      resolve: (key) => key.last_used_at,
    }),
  }),
})

async function ownerOf({ loaders }: GraphQLContext, { owner_id: ownerId }: ApiKeyRow): Promise<UserRow> {
  const owner = await loaders.user.load(ownerId)
  // Deleting a user deletes its keys, so the owner can only be missing if it was deleted between two reads.
  if (!owner) throw fault('NOT_FOUND', 'The owner of the key was deleted meanwhile.')
  return owner
}

builder.queryField('apiKey', (t) =>
  t.field({
    type: ApiKeyRef,
    nullable: true,
    description: 'The key with this id; null if there is none, or if the caller may not see it.',
    authScopes: managesKeys,
    args: { id: t.arg.id({ required: true, description: 'The object to read.' }) },
    resolve: async (_root, { id }, { actor, loaders }) => {
      const key = await loaders.apiKey.load(id)
      return key && maySeeKeysOf(actor, key.owner_id) ? key : null
    },
  }),
)

builder.queryField('apiKeys', (t) =>
  t.field({
    type: ApiKeyConnection,
    description: 'Keys in order of creation. A caller without the scope `ADMIN` gets only its own keys.',
    authScopes: managesKeys,
    complexity: pageCost,
    args: {
      ...pageArgs(t.arg),
      orderBy: t.arg({ type: ObjectOrderInput, description: 'Omitted: in order of creation.' }),
      state: t.arg({ type: ApiKeyState, description: 'Omitted: in any state.' }),
    },
    resolve: (_root, args, context, info) => {
      const { actor } = context
      const filter = { state: args.state ?? null, ownerId: actor.scopes.has('ADMIN') ? null : actor.userId }
      return connectObjects(context, { name: 'apiKeys', read: listApiKeys, count: countApiKeys }, filter, args, info)
    },
  }),
)
