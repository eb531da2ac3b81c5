import type { ColumnType, Generated } from 'kysely'
import type { BackendHealthReport } from '../../routing/health/backend-health.ts'

export interface GatewayTables {
  gateway: GatewayTable
}

/** What a process serves. */
export type ProcessRole = 'all' | 'control' | 'gateway'

export interface GatewayTable {
  id: string
  role: Generated<ProcessRole>
  applied_version: number
  /** Null for the earlier release, which does not know tokens. */
  applied_token: string | null
  applied_at: Date
  in_flight: Generated<number>
  pending_usage_records: Generated<number>
  started_at: Date
  seen_at: Date
  build: string
  host: Generated<string>
  encryption_key_ids: Generated<string[]>
  sealing_key_id: string | null
  health: ColumnType<Record<string, BackendHealthReport>, string | undefined, string>
  endpoint_in_flight: ColumnType<Record<string, number>, string | undefined, string>
  spool_id: Generated<string | null>
}
