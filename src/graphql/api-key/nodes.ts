import { maySeeKeysOf } from '../../control/api-key/authority.ts'
import { isOwnId, managesKeys, requireAnyScope } from '../kit/authorisation.ts'
import type { NodeEntries } from '../kit/node-entry.ts'

export const apiKeyNodes: NodeEntries<'ApiKey'> = {
  ApiKey: {
    load: ({ loaders }, id) => loaders.apiKey.load(id),
    scopes: managesKeys,
    /** A caller finds the keys of its user that `apiKeys` lists. Another user's key looks like a key that does not exist. */
    find: async ({ actor, loaders }, id) => {
      if (!isOwnId(actor, id)) requireAnyScope(actor, managesKeys)
      const key = await loaders.apiKey.load(id)
      return key && maySeeKeysOf(actor, key.owner_id) ? key : null
    },
  },
}
