/**
 * The compiled routing state: immutable, replaced whole, never changed. A request reads it once, at the top, and keeps it
 * for all its attempts.
 *
 * Routes name their backends by id and not by reference, so that a change of a provider touches its own models and no route.
 */
import type {
  ApiKeyConfiguration,
  CredentialConfiguration,
  EndpointConfiguration,
  HealthCheck,
  Pricing,
  RequestRules,
  Timeouts,
  UserConfiguration,
} from './configuration.ts'
import type { SnapshotLimits } from '../limits/snapshot-limits.ts'
import type { ProviderKind } from '../vendors/provider-kind.ts'
import type { Table } from './table.ts'
import type {
  AccessPolicy,
  DeploymentEngine,
  FallbackTrigger,
  LoadBalancing,
  ModelCategory,
  RouteAffinity,
  RouteBalancing,
  ServingState,
} from './vocabulary.ts'

export interface Snapshot {
  readonly version: number
  /** Identifies this version: after a failover that lost commits, another version can have the same number, but another token. */
  readonly token: string
  readonly routesById: Table<Route>
  readonly routesByName: Table<Route>
  /** Provider models and deployments, by id. */
  readonly backends: Table<Backend>
  /** Providers by id, with the ids of their models, which are removed together with the provider. */
  readonly providers: Table<ProviderUpstream>
  readonly users: Table<UserConfiguration>
  readonly apiKeysById: Table<ApiKeyConfiguration>
  /** Keys by SHA-256 in lower-case hex, also by replaced secrets, whose validity the caller must check. */
  readonly apiKeysByHash: Table<ApiKeyConfiguration>
  readonly limits: SnapshotLimits
}

export interface Target {
  readonly id: string
  readonly backendId: string
  readonly weight: number
  /** `weight` divided by the sum of the route's weights. */
  readonly share: number
}

export interface Fallback {
  /** Ids of the backends, in the order in which they are tried. */
  readonly backendIds: readonly string[]
  readonly triggers: ReadonlySet<FallbackTrigger>
  readonly maxAttempts: number
}

export interface Route {
  readonly id: string
  readonly name: string
  readonly revision: number
  readonly createdAtMs: number
  readonly state: ServingState
  readonly categories: readonly ModelCategory[]
  /** In order of creation, those with weight 0 included. */
  readonly targets: readonly Target[]
  readonly fallback: Fallback | null
  readonly timeouts: Timeouts
  readonly affinity: RouteAffinity
  readonly balancing: RouteBalancing
  /** Whether the answer's `model` is the route's name instead of the upstream's. */
  readonly rewritesModel: boolean
  readonly access: {
    readonly policy: AccessPolicy
    readonly userIds: ReadonlySet<string>
    readonly apiKeyIds: ReadonlySet<string>
  }
}

interface BackendBase {
  readonly id: string
  /** `provider/model`, or the deployment's name. */
  readonly label: string
  readonly upstreamModel: string
  /** `upstreamModel` as the bytes of a JSON string, quotes included: what is spliced into a request. */
  readonly upstreamModelJson: string
  readonly categories: readonly ModelCategory[]
  readonly pricing: Pricing | null
  /** The operations that the operator stated; null: those known for the provider's kind or the engine. */
  readonly operations: readonly string[] | null
  readonly contextTokens: number | null
  readonly state: ServingState
}

export interface ProviderUpstream {
  readonly id: string
  readonly name: string
  readonly kind: ProviderKind
  readonly baseUrl: string
  readonly state: ServingState
  readonly proxyUrl: string | null
  readonly requestRules: RequestRules
  readonly caCertificates: string | null
  readonly credentials: readonly CredentialConfiguration[]
  readonly headers: readonly { readonly name: string; readonly value: string }[]
  readonly modelIds: readonly string[]
}

/** `state` is the provider's. Its circuit is kept under its own id. */
export interface ProviderModelBackend extends BackendBase {
  readonly kind: 'providerModel'
  readonly provider: ProviderUpstream
}

/** Circuits, in-flight counts and permits are kept under the ids of its endpoints. */
export interface DeploymentBackend extends BackendBase {
  readonly kind: 'deployment'
  readonly engine: DeploymentEngine
  readonly loadBalancing: LoadBalancing
  readonly healthCheck: HealthCheck | null
  readonly requestRules: RequestRules
  readonly caCertificates: string | null
  readonly queue: { readonly maxWaiting: number; readonly maxWaitMs: number }
  readonly secret: string | null
  readonly endpoints: readonly EndpointConfiguration[]
}

export type Backend = ProviderModelBackend | DeploymentBackend
