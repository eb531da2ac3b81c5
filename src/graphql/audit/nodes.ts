import { readsConfig, requireAnyScope, requireAuditReader } from '../kit/authorisation.ts'
import type { NodeEntries } from '../kit/node-entry.ts'

export const auditNodes: NodeEntries<'AuditEntry'> = {
  AuditEntry: {
    load: ({ loaders }, id) => loaders.auditEntry.load(id),
    scopes: readsConfig,
    find: async ({ actor, loaders }, id) => {
      requireAuditReader(actor)
      requireAnyScope(actor, readsConfig)
      return loaders.auditEntry.load(id)
    },
  },
}
