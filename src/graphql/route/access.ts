import type { RouteRow } from '../../storage/route/write.ts'
import { builder } from '../schema/builder.ts'
import { AccessPolicy } from './enums.ts'
import { ApiKeyRef } from '../api-key/ref.ts'
import { UserRef } from '../user/ref.ts'

export const RouteAccessRef = builder.objectRef<RouteRow>('RouteAccess').implement({
  description: 'Who may call a route.',
  fields: (t) => ({
    policy: t.expose('access_policy', { type: AccessPolicy, description: 'Who may call it.' }),
    users: t.field({
      type: [UserRef],
      description: 'At most 1,000; empty unless `RESTRICTED`.',
      resolve: ({ id }, _args, { loaders }) => loaders.accessUsersOfRoute.load(id),
    }),
    apiKeys: t.field({
      type: [ApiKeyRef],
      description: 'At most 1,000; empty unless `RESTRICTED`.',
      resolve: ({ id }, _args, { loaders }) => loaders.accessApiKeysOfRoute.load(id),
    }),
  }),
})
