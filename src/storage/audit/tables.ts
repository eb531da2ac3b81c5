import type { Generated, JSONColumnType } from 'kysely'

export interface AuditTables {
  audit_entry: AuditEntryTable
}

interface AuditEntryTable {
  id: string
  at: Generated<Date>
  actor_id: string
  action: string
  subject_id: string
  reason: string | null
  actor_label: string | null
  config_version: number | null
  position: Generated<number>
  changes: JSONColumnType<AuditChange[]>
}

/** `before` and `after` are JSON texts; a secret is `"***"`. */
export interface AuditChange {
  field: string
  before: string | null
  after: string | null
}
