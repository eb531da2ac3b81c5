import { installationId } from '../../routing/config/object-id.ts'
import { rateLimitOf } from '../../storage/limit/load.ts'
import { readsConfig } from '../kit/authorisation.ts'
import type { GraphQLContext } from '../kit/context.ts'
import type { NodeEntries } from '../kit/node-entry.ts'
import type { NodeRow } from '../kit/node-row.ts'
import { seesLimit, limitVisibilityOf } from './visibility.ts'

export const limitNodes: NodeEntries<'RateLimit' | 'Installation'> = {
  RateLimit: {
    load: ({ loaders }, id) => loaders.rateLimit.load(id),
    scopes: readsConfig,
    /** A limit that the caller may not see looks like a limit that does not exist. */
    find: async (context, id) => {
      const row = await context.loaders.rateLimit.load(id)
      return row && seesLimit(limitVisibilityOf(context), rateLimitOf(row)) ? row : null
    },
  },
  Installation: { load: findInstallation, scopes: readsConfig, find: findInstallation },
}

function findInstallation(_context: GraphQLContext, id: string): Promise<NodeRow | null> {
  return Promise.resolve(id === installationId ? { id } : null)
}
