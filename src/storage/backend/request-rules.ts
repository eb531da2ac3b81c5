import type { RequestRules } from '../../routing/config/configuration.ts'
import type { RequestRulesColumns } from './tables.ts'

/** The request rules of a row. */
export function requestRulesOf(row: Omit<RequestRulesColumns, 'ca_certificates'>): RequestRules {
  return {
    passHeaders: row.pass_headers,
    passResponseHeaders: row.pass_response_headers,
    addStreamUsage: row.add_stream_usage,
  }
}
