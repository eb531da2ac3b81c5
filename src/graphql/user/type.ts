import { countUsers, findUserByRef, listUsers } from '../../storage/user/read.ts'
import type { PageRequest } from '../../storage/database/page.ts'
import { ApiKeyConnection } from '../api-key/connection.ts'
import { administers } from '../kit/authorisation.ts'
import { builder } from '../schema/builder.ts'
import { connectObjects } from '../kit/object-list.ts'
import { ObjectOrderInput } from '../kit/object-order.ts'
import { connect, connectionType, pageArgs, pageCost } from '../kit/connection.ts'
import { ServingState } from '../kit/enums.ts'
import { UserRole } from './enums.ts'
import { UserRefInput } from '../kit/references-input.ts'
import { NodeRef, VersionedRef } from '../schema/refs.ts'
import { UserRef } from './ref.ts'

builder.objectType(UserRef, {
  description: 'A person or a team that owns keys.',
  interfaces: [NodeRef, VersionedRef],
  authScopes: (user, { actor }) => (user.id === actor.userId ? true : administers),
  fields: (t) => ({
    name: t.exposeString('name', { description: 'Unique.', skipTypeScopes: true }),
    role: t.expose('role', { type: UserRole, description: 'What the user may do at most.' }),
    state: t.expose('state', { type: ServingState, description: 'Only an `ACTIVE` user can call.' }),
    apiKeys: t.field({
      type: ApiKeyConnection,
      description: 'In order of creation.',
      args: pageArgs(t.arg),
      complexity: pageCost,
      resolve: ({ id: parentId }, args, context, info) => {
        const { loaders } = context
        const source = {
          list: `User.apiKeys ${parentId}`,
          read: (request: PageRequest) => loaders.apiKeysOfUser.load({ parentId, request }),
          count: () => loaders.apiKeyCountOfUser.load(parentId),
        }
        return connect(context, source, args, info)
      },
    }),
  }),
})

const UserConnection = connectionType('User', UserRef, { isCounted: true, description: 'A page of users.' })

builder.queryField('user', (t) =>
  t.field({
    type: UserRef,
    nullable: true,
    description: 'The user with this id or name; null if there is none.',
    authScopes: administers,
    args: { by: t.arg({ type: UserRefInput, required: true, description: 'The object to read.' }) },
    resolve: async (_root, { by }, { db }) => (await findUserByRef(db, by)) ?? null,
  }),
)

builder.queryField('users', (t) =>
  t.field({
    type: UserConnection,
    description: 'In order of creation.',
    authScopes: administers,
    complexity: pageCost,
    args: {
      ...pageArgs(t.arg),
      orderBy: t.arg({ type: ObjectOrderInput, description: 'Omitted: in order of creation.' }),
      search: t.arg.string({ description: 'Part of the name, whatever its case.' }),
    },
    resolve: (_root, args, context, info) => {
      const filter = { search: args.search ?? null }
      return connectObjects(context, { name: 'users', read: listUsers, count: countUsers }, filter, args, info)
    },
  }),
)
