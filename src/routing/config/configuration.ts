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
 * What a backend charges: USD as exact decimals in strings, per million tokens unless the name says otherwise. How they are put
 * together is in `cost.ts`.
 */
export interface Pricing extends TokenPricing {
  /** Per request; of a ranking per search unit, if the answer reports those. */
  readonly perRequest: string | null
  readonly perImage: string | null
  readonly perAudioSecond: string | null
  readonly perMillionCharacters: string | null
  /** By ascending `fromInputTokens`: the last one that the request's input reaches holds for the whole request. */
  readonly tiers: readonly PricingTier[]
  /** By what the answer says as its `service_tier`; of one that is not listed the factor is 1. */
  readonly serviceTiers: readonly ServiceTierFactor[]
}

export interface TokenPricing {
  readonly inputPerMillion: string
  readonly outputPerMillion: string
  /** Null: billed as input. */
  readonly cachedInputPerMillion: string | null
  /** Null: billed as input. */
  readonly cacheWritePerMillion: string | null
  /** Written to a cache for an hour; null: as `cacheWritePerMillion`. */
  readonly cacheWriteLongPerMillion: string | null
  /** Null: billed as output. */
  readonly reasoningPerMillion: string | null
}

/** `cacheWriteLongPerMillion` and `reasoningPerMillion` null: as the pricing says, if it does. */
export interface PricingTier extends TokenPricing {
  /** Counts cached and cache-written tokens too. */
  readonly fromInputTokens: number
}

export interface ServiceTierFactor {
  readonly serviceTier: string
  /** An exact decimal above 0. */
  readonly factor: string
}

/** What a pricing is that has prices of input and output only. */
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

/** What the gateway changes in requests to a backend, and what it lets through besides the fixed lists. */
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
    /** As the operator stated them; null: what its kind is known for. */
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
  /** As the operator stated them; null: what its engine is known for. */
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
  /** Of a stream: longest wait for its first byte, begun anew by each byte until content comes. */
  readonly firstByteMs: number
  /** Of a plain answer: longest wait for its head in one attempt. */
  readonly answerMs: number
  /** Longest silence inside a stream that has begun. */
  readonly idleMs: number
  /** Of all attempts together, until an answer begins. */
  readonly totalMs: number
  /** After so long without content the client of a stream gets status 200 and a comment; null: it waits in silence. */
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
  /** Of the secrets that a rotation has replaced and that are still good for a while; at most 3. */
  readonly earlierSecrets: readonly EarlierSecret[]
  readonly scopes: readonly ApiKeyScope[]
  /** Null: all that its owner may. */
  readonly routeIds: readonly string[] | null
  /** Milliseconds since the epoch; null: never. */
  readonly expiresAtMs: number | null
}

/** The SHA-256 of a secret in lower-case hex, and up to when it is good, in milliseconds since the epoch. */
export interface EarlierSecret {
  readonly hash: string
  readonly untilMs: number
}

/** All of it, as of one version. */
export interface Configuration {
  readonly version: number
  /** Of this version in this history: after a failover that lost commits the number comes again with another token. */
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
 * The objects that changed between two versions, as they are now: `configuration` has those that exist, `removed` names
 * the rest.
 */
export interface ConfigurationDelta {
  readonly configuration: Configuration
  readonly removed: readonly { readonly kind: SubjectKind; readonly id: string }[]
}
