import type { Generated, GeneratedAlways, JSONColumnType } from 'kysely'
import type { Timeouts } from '../../routing/config/configuration.ts'
import type {
  AccessPolicy,
  FallbackTrigger,
  ModelCategory,
  RouteAffinity,
  RouteBalancing,
  ServingState,
} from '../../routing/config/vocabulary.ts'
import type { VersionedColumns } from '../database/columns.ts'

export interface RouteTables {
  route: RouteTable
  route_target: RouteTargetTable
  route_fallback_backend: RouteFallbackBackendTable
  route_access_user: RouteAccessUserTable
  route_access_api_key: RouteAccessApiKeyTable
  route_revision: RouteRevisionTable
}

export interface RouteTable extends VersionedColumns {
  name: string
  description: string
  categories: ModelCategory[]
  state: Generated<ServingState>
  connect_ms: number
  first_byte_ms: number
  answer_ms: number
  idle_ms: number
  total_ms: number
  keep_alive_ms: number | null
  affinity: RouteAffinity
  balancing: RouteBalancing
  rewrites_model: boolean
  access_policy: AccessPolicy
  fallback_triggers: FallbackTrigger[] | null
  fallback_max_attempts: number | null
  created_with_id: string | null
}

/** Exactly one of the two ids is set; `backend_id` is that one. */
interface BackendColumns {
  provider_model_id: string | null
  deployment_id: string | null
  backend_id: GeneratedAlways<string>
}

interface RouteTargetTable extends BackendColumns {
  id: string
  route_id: string
  weight: number
}

interface RouteFallbackBackendTable extends BackendColumns {
  route_id: string
  position: number
}

interface RouteAccessUserTable {
  route_id: string
  user_id: string
}

interface RouteAccessApiKeyTable {
  route_id: string
  api_key_id: string
}

interface RouteRevisionTable {
  id: string
  route_id: string
  number: number
  kind: RouteChangeKind
  actor_id: string
  reason: string | null
  created_at: Generated<Date>
  state: JSONColumnType<RouteRevisionState>
  actor_label: string | null
  config_version: number | null
}

export type RouteChangeKind =
  | 'CREATED'
  | 'TRAFFIC_SET'
  | 'TARGETS_CHANGED'
  | 'FALLBACK_SET'
  | 'ACCESS_SET'
  | 'UPDATED'
  | 'ROLLED_BACK'

/** What a rollback restores, with the labels of that time. */
export interface RouteRevisionState {
  targets: { targetId: string; backendId: string; backendLabel: string; weight: number }[]
  fallback: {
    backends: { backendId: string; backendLabel: string }[]
    triggers: FallbackTrigger[]
    maxAttempts: number
  } | null
  timeouts: StoredTimeouts
  /** Of these a revision that an earlier version wrote says nothing. */
  affinity?: RouteAffinity
  balancing?: RouteBalancing
  rewritesModel?: boolean
}

/** `answerMs` and `keepAliveMs` are missing where an earlier version wrote them. */
type StoredTimeouts = Omit<Timeouts, 'answerMs' | 'keepAliveMs'> & Partial<Timeouts>
