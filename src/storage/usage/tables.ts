/**
 * The columns of `migrations/0002_usage.sql`, `0005_usage_lines.sql`, `0007_usage_ledger.sql`, `0010_usage_names.sql`,
 * `0011_retention.sql` and `0014_prices.sql`, as the driver returns and takes them.
 */
import type { Generated, GeneratedAlways, JSONColumnType } from 'kysely'
import type { AttemptRecord } from '../../routing/usage/record.ts'
import type { RequestOutcome, UsageProvenance } from '../../routing/config/vocabulary.ts'
import type { UsageLevel } from './report/layers.ts'

export interface UsageTables {
  usage_dimension: UsageDimensionTable
  usage_record: UsageRecordTable
  usage_retention: UsageRetentionTable
  usage_rollup: UsageRollupTable
  usage_progress: UsageProgressTable
  usage_run: UsageRunTable
  usage_loss: UsageLossTable
}

interface UsageDimensionTable {
  key: string
  number: GeneratedAlways<number>
  level: UsageLevel
  route_id: string | null
  route_name: string | null
  route_revision: number | null
  target_id: string | null
  backend_id: string | null
  backend_label: string | null
  provider_id: string | null
  provider_name: string | null
  deployment_id: string | null
  deployment_name: string | null
  api_key_id: string | null
  api_key_name: string | null
  user_id: string | null
  user_name: string | null
  operation: string | null
  outcome: RequestOutcome | null
  stream: boolean | null
  service_tier: Generated<string | null>
}

interface UsageRecordTable {
  id: string
  started_at: Date
  ended_at: Date
  dimension: string
  route_id: string | null
  api_key_id: string | null
  requested_model: string | null
  status: number
  error_code: string | null
  attempts: JSONColumnType<AttemptRecord[]>
  provenance: UsageProvenance
  input_tokens: number | null
  cached_input_tokens: number | null
  output_tokens: number | null
  reasoning_tokens: number | null
  cost: string | null
  first_byte_ms: number | null
  duration_ms: number
  overhead_ms: number
  cache_write_tokens: Generated<number | null>
  images: Generated<number | null>
  audio_micros: Generated<number | null>
  characters: Generated<number | null>
}

interface UsageRetentionTable {
  singleton: Generated<boolean>
  dropped_until: Date
  minutes_dropped_until: Generated<Date>
}

interface UsageRollupTable {
  layer: number
  bucket: Date
  dimension: string
  requests: number
  attempts: number
  failures: number
  fallbacks: number
  input_tokens: number
  cached_input_tokens: number
  output_tokens: number
  reasoning_tokens: number
  estimated_requests: number
  cost: string | null
  first_byte_sketch: string
  duration_sketch: string
  cache_write_tokens: Generated<number>
  images: Generated<number>
  audio_micros: Generated<number>
  characters: Generated<number>
  /** Milliseconds since the epoch. */
  last_ended_ms: Generated<number>
}

interface UsageProgressTable {
  spool_id: string
  complete_until: Date
  pending: number
  lost: number
  reported_at: Date
  forgotten_at: Generated<Date | null>
}

interface UsageRunTable {
  run_id: string
  spool_id: string
  /** An `int8multirange`. */
  shipped: string
  updated_at: Generated<Date>
}

interface UsageLossTable {
  source: string
  minute: Date
  spool_id: string
  requests: number
}
