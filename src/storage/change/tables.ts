import type { Generated, GeneratedAlways, JSONColumnType } from 'kysely'

export interface ChangeTables {
  config_version: ConfigVersionTable
  config_change: ConfigChangeTable
  idempotency_key: IdempotencyKeyTable
}

interface ConfigVersionTable {
  singleton: Generated<boolean>
  version: number
  committed_at: Date
  /** Set by the database with each version. */
  token: GeneratedAlways<string>
}

interface ConfigChangeTable {
  version: number
  committed_at: Date
  token: GeneratedAlways<string>
  actor_id: string
  subject_ids: string[]
}

interface IdempotencyKeyTable {
  actor_id: string
  mutation: string
  key: string
  input_hash: string
  result: JSONColumnType<Record<string, string | null>>
  config_version: number | null
  created_at: Generated<Date>
}
