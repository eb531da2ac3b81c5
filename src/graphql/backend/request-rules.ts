import { requestRulesOf } from '../../storage/backend/request-rules.ts'
import type { RequestRulesColumns } from '../../storage/backend/tables.ts'
import { builder } from '../schema/builder.ts'

export const BackendRequestRulesRef = builder.objectRef<RequestRulesColumns>('BackendRequestRules').implement({
  description:
    'What the gateway changes in requests to a backend, and which headers it passes. Without rules requests pass byte for byte.',
  fields: (t) => ({
    passHeaders: t.stringList({
      description: 'Headers of the client that are passed upstream besides the fixed list, in lower case, at most 32.',
      resolve: (row) => requestRulesOf(row).passHeaders,
    }),
    passResponseHeaders: t.stringList({
      description: 'Headers of the upstream that are passed to the client besides the fixed list, at most 32.',
      resolve: (row) => requestRulesOf(row).passResponseHeaders,
    }),
    addStreamUsage: t.boolean({
      description:
        '`false`: the gateway never adds `stream_options`. Token counts are then those that the upstream reports unasked, or estimates.',
      resolve: (row) => requestRulesOf(row).addStreamUsage,
    }),
  }),
})
