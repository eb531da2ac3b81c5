import { requestRulesOf } from '../../storage/config/load.ts'
import type { RequestRulesColumns } from '../../storage/backend/tables.ts'
import { builder } from '../schema/builder.ts'

export const BackendRequestRulesRef = builder.objectRef<RequestRulesColumns>('BackendRequestRules').implement({
  description:
    'What the gateway changes in requests to a backend, and what it lets through; byte for byte where nothing is set.',
  fields: (t) => ({
    passHeaders: t.stringList({
      description: "Client's headers to pass on besides the fixed list, in lower case, at most 32.",
      resolve: (row) => requestRulesOf(row).passHeaders,
    }),
    passResponseHeaders: t.stringList({
      description: "Upstream's headers to pass to the client besides the fixed list, at most 32.",
      resolve: (row) => requestRulesOf(row).passResponseHeaders,
    }),
    addStreamUsage: t.boolean({
      description:
        '`false`: `stream_options` is never added; tokens then are what upstream says by itself, or an estimate.',
      resolve: (row) => requestRulesOf(row).addStreamUsage,
    }),
  }),
})
