import { readsUsage } from '../kit/authorisation.ts'
import type { NodeEntries } from '../kit/node-entry.ts'
import { maySeeUsage } from './visibility.ts'

export const usageNodes: NodeEntries<'RequestLog'> = {
  RequestLog: {
    load: async ({ actor, loaders }, id) => {
      const record = await loaders.requestLog.load(id)
      return record && maySeeUsage(actor, record) ? record : null
    },
    scopes: readsUsage,
  },
}
