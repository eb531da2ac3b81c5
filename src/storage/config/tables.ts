/** The columns of `migrations/0001_configuration.sql`, as the driver returns and takes them. */
import type { ColumnType, Generated, GeneratedAlways, JSONColumnType } from 'kysely'
import type { EarlierSecret, HealthCheck, Timeouts } from '../../routing/config/configuration.ts'
import type { ProviderKind } from '../../routing/vendors/provider-kind.ts'
import type {
  AccessPolicy,
  ApiKeyScope,
  DeploymentEngine,
  FallbackTrigger,
  LoadBalancing,
  ModelCategory,
  RouteAffinity,
  RouteBalancing,
  ServingState,
  UserRole,
} from '../../routing/config/vocabulary.ts'
import type { PricingColumns } from './pricing-columns.ts'
import type { EndpointProbe } from '../deployment/endpoint-probe.ts'
import type { BackendHealthReport } from '../../routing/health/backend-health.ts'

export interface ConfigurationTables {
  config_version: ConfigVersionTable
  config_change: ConfigChangeTable
  installation: InstallationTable
  app_user: UserTable
  api_key: ApiKeyTable
  api_key_route: ApiKeyRouteTable
  provider: ProviderTable
  provider_credential: ProviderCredentialTable
  provider_header: ProviderHeaderTable
  provider_model: ProviderModelTable
  deployment: DeploymentTable
  deployment_endpoint: DeploymentEndpointTable
  deployment_probe: DeploymentProbeTable
  route: RouteTable
  route_target: RouteTargetTable
  route_fallback_backend: RouteFallbackBackendTable
  route_access_user: RouteAccessUserTable
  route_access_api_key: RouteAccessApiKeyTable
  route_revision: RouteRevisionTable
  audit_entry: AuditEntryTable
  idempotency_key: IdempotencyKeyTable
  gateway: GatewayTable
}

interface VersionedColumns {
  id: string
  revision: Generated<number>
  created_at: Generated<Date>
  updated_at: Generated<Date>
}

interface ConfigVersionTable {
  singleton: Generated<boolean>
  version: number
  committed_at: Date
  /** Set by the database with each version. */
  token: GeneratedAlways<string>
}

interface InstallationTable {
  singleton: Generated<boolean>
  cursor_key: Generated<Buffer>
  encryption_key_id: string | null
}

interface ConfigChangeTable {
  version: number
  committed_at: Date
  token: GeneratedAlways<string>
  actor_id: string
  subject_ids: string[]
}

export interface UserTable extends VersionedColumns {
  name: string
  role: UserRole
  state: Generated<ServingState>
}

export interface ApiKeyTable extends VersionedColumns {
  name: string
  owner_id: string
  prefix: string
  hash: string
  earlier_secrets: ColumnType<EarlierSecret[], string | undefined, string>
  scopes: ApiKeyScope[]
  is_route_bound: Generated<boolean>
  revoked_at: Date | null
  expires_at: Date | null
  last_used_at: Date | null
}

interface ApiKeyRouteTable {
  api_key_id: string
  route_id: string
}

/** What may pass through besides the fixed lists, and whom it trusts. */
export interface RequestRulesColumns {
  pass_headers: string[]
  pass_response_headers: string[]
  add_stream_usage: boolean
  ca_certificates: string | null
}

/** What a model serves; null: not stated. */
interface AbilityColumns {
  operations: string[] | null
  context_tokens: number | null
}

export interface ProviderTable extends VersionedColumns, RequestRulesColumns {
  name: string
  description: string
  kind: ProviderKind
  base_url: string
  state: Generated<ServingState>
  proxy_url: string | null
}

interface ProviderCredentialTable {
  id: string
  provider_id: string
  position: number
  hint: string
  sealed_secret: Buffer
  created_at: Generated<Date>
}

interface ProviderHeaderTable {
  id: string
  provider_id: string
  position: number
  name: string
  sealed_value: Buffer
}

interface ProviderModelTable extends PricingColumns, AbilityColumns {
  id: string
  provider_id: string
  position: number
  upstream_model: string
  categories: ModelCategory[]
}

export interface DeploymentTable extends VersionedColumns, PricingColumns, AbilityColumns, RequestRulesColumns {
  name: string
  description: string
  engine: DeploymentEngine
  upstream_model: string
  categories: ModelCategory[]
  state: Generated<ServingState>
  load_balancing: LoadBalancing
  health_check: JSONColumnType<HealthCheck> | null
  queue_max_waiting: number
  queue_max_wait_ms: number
  secret_hint: string | null
  sealed_secret: Buffer | null
}

export interface DeploymentEndpointTable {
  id: string
  deployment_id: string
  url: string
  weight: number
  max_in_flight: number | null
  state: Generated<ServingState>
}

interface DeploymentProbeTable {
  deployment_id: string
  at: Date
  answers: JSONColumnType<EndpointProbe[]>
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

interface IdempotencyKeyTable {
  actor_id: string
  mutation: string
  key: string
  input_hash: string
  result: JSONColumnType<Record<string, string | null>>
  config_version: number | null
  created_at: Generated<Date>
}

/** What a process serves. */
export type ProcessRole = 'all' | 'control' | 'gateway'

export interface GatewayTable {
  id: string
  role: Generated<ProcessRole>
  applied_version: number
  /** Null: software of the version before, which knows none. */
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
