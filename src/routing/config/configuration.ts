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
} from './vocabulary.ts'
import type { Budget, RateLimit } from '../limits/limit.ts'
import type { ProviderKind } from '../vendors/provider-kind.ts'
import { type SubjectKind, subjectKinds } from './subject-kind.ts'

/**
 * The prices of a backend: USD as exact decimals in strings, per million tokens unless the name says otherwise. `cost.ts` computes
 * costs with them.
 */
export interface Pricing extends TokenPricing {
  /** Price per request, or per search unit if a rerank answer reports search units. */
  readonly perRequest: string | null
  readonly perImage: string | null
  readonly perAudioSecond: string | null
  readonly perMillionCharacters: string | null
  /** In ascending order of `fromInputTokens`. The last tier that the input of a request reaches applies to the whole request. */
  readonly tiers: readonly PricingTier[]
  /** Factors by the `service_tier` of the answer; 1 for a tier that is not listed. */
  readonly serviceTiers: readonly ServiceTierFactor[]
}

export interface TokenPricing {
  readonly inputPerMillion: string
  readonly outputPerMillion: string
  /** Null: the input price. */
  readonly cachedInputPerMillion: string | null
  /** Null: the input price. */
  readonly cacheWritePerMillion: string | null
  /** Price of tokens written to a cache for an hour; null: `cacheWritePerMillion`. */
  readonly cacheWriteLongPerMillion: string | null
  /** Null: the output price. */
  readonly reasoningPerMillion: string | null
}

/**
 * Prices of one tier. If `cacheWriteLongPerMillion` or `reasoningPerMillion` is null, the price outside the tiers applies, if there is
 * one.
 */
export interface PricingTier extends TokenPricing {
  /** The least number of input tokens, cached and cache-written tokens included. */
  readonly fromInputTokens: number
}

export interface ServiceTierFactor {
  readonly serviceTier: string
  /** An exact decimal above 0. */
  readonly factor: string
}

/** The other members of a pricing that has only prices of input and output. */
export const noFurtherPrices: Omit<Pricing, 'inputPerMillion' | 'outputPerMillion' | 'cachedInputPerMillion'> = {
  cacheWritePerMillion: null,
  cacheWriteLongPerMillion: null,
  reasoningPerMillion: null,
  perRequest: null,
  perImage: null,
  perAudioSecond: null,
  perMillionCharacters: null,
  tiers: [],
  serviceTiers: [],
}

/** What the gateway changes in requests to a backend, and which headers it passes besides the fixed lists. */
export interface RequestRules {
  /** Headers of the client that go to the backend, in lower case. */
  readonly passHeaders: readonly string[]
  /** Headers of the backend's answer that go to the client, in lower case. */
  readonly passResponseHeaders: readonly string[]
  /** False: `stream_options` is never added to a request. */
  readonly addStreamUsage: boolean
}

export const defaultRequestRules: RequestRules = { passHeaders: [], passResponseHeaders: [], addStreamUsage: true }

export interface CredentialConfiguration {
  readonly id: string
  readonly secret: string
  /** The last characters of the secret, to tell credentials apart: what may be shown. */
  readonly hint: string
}

export interface ProviderConfiguration {
  readonly id: string
  readonly name: string
  readonly kind: ProviderKind
  readonly baseUrl: string
  readonly state: ServingState
  readonly proxyUrl: string | null
  readonly requestRules: RequestRules
  /** PEM of certificate authorities to trust besides the system's; null: none. */
  readonly caCertificates: string | null
  /** In order of preference. */
  readonly credentials: readonly CredentialConfiguration[]
  readonly headers: readonly { readonly name: string; readonly value: string }[]
  readonly models: readonly {
    readonly id: string
    readonly upstreamModel: string
    readonly categories: readonly ModelCategory[]
    readonly pricing: Pricing | null
    /** The operations that the operator stated; null: those known for the provider's kind. */
    readonly operations: readonly string[] | null
    /** Tokens that fit into one request, the answer included; null: unknown. */
    readonly contextTokens: number | null
  }[]
}

export interface HealthCheck {
  readonly path: string
  readonly intervalMs: number
  readonly timeoutMs: number
  readonly unhealthyThreshold: number
  readonly healthyThreshold: number
}

export interface EndpointConfiguration {
  readonly id: string
  readonly url: string
  /** 1 to 1,000. */
  readonly weight: number
  /** Over all gateways; null: no bound. */
  readonly maxInFlight: number | null
  readonly state: ServingState
}

export interface DeploymentConfiguration {
  readonly id: string
  readonly name: string
  readonly engine: DeploymentEngine
  readonly upstreamModel: string
  readonly categories: readonly ModelCategory[]
  readonly pricing: Pricing | null
  /** The operations that the operator stated; null: those known for the engine. */
  readonly operations: readonly string[] | null
  /** Tokens that fit into one request, the answer included; null: unknown. */
  readonly contextTokens: number | null
  readonly requestRules: RequestRules
  /** PEM of certificate authorities to trust besides the system's; null: none. */
  readonly caCertificates: string | null
  readonly state: ServingState
  readonly loadBalancing: LoadBalancing
  readonly healthCheck: HealthCheck | null
  readonly queue: { readonly maxWaiting: number; readonly maxWaitMs: number }
  readonly secret: string | null
  readonly endpoints: readonly EndpointConfiguration[]
}

export interface Timeouts {
  readonly connectMs: number
  /** The longest wait for the first byte of a stream. Each byte before the first content restarts the wait. */
  readonly firstByteMs: number
  /** The longest wait for the head of an answer that is not streamed, in one attempt. */
  readonly answerMs: number
  /** The longest pause between two parts of a stream. */
  readonly idleMs: number
  /** The longest time of all attempts together, until an answer begins. */
  readonly totalMs: number
  /** After this time without content the client of a stream gets status 200 and a comment; null: never. */
  readonly keepAliveMs: number | null
}

export const defaultTimeouts: Timeouts = {
  connectMs: 5_000,
  firstByteMs: 120_000,
  answerMs: 300_000,
  idleMs: 300_000,
  totalMs: 600_000,
  keepAliveMs: null,
}

/** Everything but `CONTEXT_LENGTH`. */
export const defaultTriggers: readonly FallbackTrigger[] = [
  'CONNECT_ERROR',
  'TIMEOUT',
  'RATE_LIMITED',
  'SERVER_ERROR',
  'UPSTREAM_AUTH',
  'UPSTREAM_NOT_FOUND',
  'SATURATED',
  'UNAVAILABLE',
]

/** Most upstream attempts of a request, the first included. */
export const defaultMaxAttempts = 3

export interface RouteConfiguration {
  readonly id: string
  readonly name: string
  readonly revision: number
  /** Milliseconds since the epoch; `GET /v1/models` shows it. */
  readonly createdAtMs: number
  readonly state: ServingState
  readonly categories: readonly ModelCategory[]
  /** In order of creation. `backendId` is a provider model's or a deployment's id. */
  readonly targets: readonly { readonly id: string; readonly backendId: string; readonly weight: number }[]
  readonly fallback: {
    readonly backendIds: readonly string[]
    readonly triggers: readonly FallbackTrigger[]
    readonly maxAttempts: number
  } | null
  readonly timeouts: Timeouts
  readonly affinity: RouteAffinity
  readonly balancing: RouteBalancing
  /** Whether the answer's `model` is the route's name instead of the upstream's. */
  readonly rewritesModel: boolean
  readonly access: {
    readonly policy: AccessPolicy
    readonly userIds: readonly string[]
    readonly apiKeyIds: readonly string[]
  }
}

export interface UserConfiguration {
  readonly id: string
  readonly name: string
  readonly role: UserRole
  readonly state: ServingState
}

/** A key that is neither revoked nor deleted; an expired one is refused by its `expiresAtMs`. */
export interface ApiKeyConfiguration {
  readonly id: string
  readonly name: string
  readonly ownerId: string
  /** SHA-256 of the key in lower-case hex. */
  readonly hash: string
  /** The secrets that a rotation has replaced and that are still valid for a while; at most 3. */
  readonly earlierSecrets: readonly EarlierSecret[]
  readonly scopes: readonly ApiKeyScope[]
  /** Null: all that its owner may. */
  readonly routeIds: readonly string[] | null
  /** Milliseconds since the epoch; null: never. */
  readonly expiresAtMs: number | null
}

/** The SHA-256 of a secret in lower-case hex, and the end of its validity in milliseconds since the epoch. */
export interface EarlierSecret {
  readonly hash: string
  readonly untilMs: number
}

/** The whole configuration at one version. */
export interface Configuration {
  readonly version: number
  /** Identifies this version: after a failover that lost commits, another version can have the same number, but another token. */
  readonly token: string
  readonly providers: readonly ProviderConfiguration[]
  readonly deployments: readonly DeploymentConfiguration[]
  readonly routes: readonly RouteConfiguration[]
  readonly users: readonly UserConfiguration[]
  readonly apiKeys: readonly ApiKeyConfiguration[]
  readonly rateLimits: readonly RateLimit[]
  readonly budgets: readonly Budget[]
}

/** The objects of a configuration: for each kind a list of them, named by its plural. */
export type ConfiguredObjects = { readonly [Kind in SubjectKind as `${Kind}s`]: Configuration[`${Kind}s`] }

/** The lists of a configuration, each made by `listOf`. */
export function mapKinds(listOf: (kind: SubjectKind) => readonly object[]): ConfiguredObjects {
  return Object.fromEntries(subjectKinds.map((kind) => [`${kind}s`, listOf(kind)])) as unknown as ConfiguredObjects
}

/**
 * The objects that changed between two versions, in their current state. `configuration` has those that exist, `removed` the ids of
 * deleted ones.
 */
export interface ConfigurationDelta {
  readonly configuration: Configuration
  readonly removed: readonly { readonly kind: SubjectKind; readonly id: string }[]
}
