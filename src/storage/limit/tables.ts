import type { Generated, GeneratedAlways } from 'kysely'
import type { LimitDimension, LimitEnforcement, LimitSubjectKind } from '../../routing/limits/limit.ts'

/** At most one of the ids is set; `subject_id` is that one. None: the whole installation. */
export interface LimitSubjectColumns {
  subject_kind: LimitSubjectKind
  user_id: string | null
  api_key_id: string | null
  route_id: string | null
  provider_id: string | null
  provider_model_id: string | null
  deployment_id: string | null
  subject_id: GeneratedAlways<string | null>
}

/** The columns of `migrations/0012_limits.sql`, as the driver returns and takes them. */
export interface LimitTables {
  rate_limit: RateLimitTable
}

export interface RateLimitTable extends LimitSubjectColumns {
  id: string
  revision: Generated<number>
  created_at: Generated<Date>
  updated_at: Generated<Date>
  per: LimitDimension[]
  requests_per_minute: number | null
  tokens_per_minute: number | null
  in_flight: number | null
  burst: number | null
  enforcement: LimitEnforcement
}
