/** Small configurations, compiled as the product compiles them, and live states that a test writes down. */
import { compileSnapshot } from '../../src/routing/config/compile.ts'
import {
  defaultRequestRules,
  defaultTimeouts,
  defaultTriggers,
  type ApiKeyConfiguration,
  type Configuration,
  type DeploymentConfiguration,
  type EndpointConfiguration,
  type ProviderConfiguration,
  type RouteConfiguration,
  type UserConfiguration,
} from '../../src/routing/config/configuration.ts'
import type { LiveView } from '../../src/routing/choose/live-view.ts'
import type { Route, Snapshot } from '../../src/routing/config/snapshot.ts'

export function endpoint(id: string, rest: Partial<EndpointConfiguration> = {}): EndpointConfiguration {
  return { id, url: 'http://127.0.0.1:9/v1', weight: 1, maxInFlight: null, state: 'ACTIVE', ...rest }
}

/** A deployment with one endpoint, `<id>-1`, unless others are given. */
export function deployment(id: string, rest: Partial<DeploymentConfiguration> = {}): DeploymentConfiguration {
  return {
    id,
    name: id,
    engine: 'OTHER',
    upstreamModel: `${id}-model`,
    categories: ['LLM'],
    pricing: null,
    operations: null,
    contextTokens: null,
    requestRules: defaultRequestRules,
    caCertificates: null,
    state: 'ACTIVE',
    loadBalancing: 'LEAST_IN_FLIGHT',
    healthCheck: null,
    queue: { maxWaiting: 0, maxWaitMs: 1_000 },
    secret: null,
    endpoints: [endpoint(`${id}-1`)],
    ...rest,
  }
}

/** A provider with one model, `<id>-model`, and one credential, `<id>-key`. */
export function provider(id: string, rest: Partial<ProviderConfiguration> = {}): ProviderConfiguration {
  return {
    id,
    name: id,
    kind: 'OPENAI_COMPATIBLE',
    baseUrl: 'http://127.0.0.1:9/v1',
    state: 'ACTIVE',
    proxyUrl: null,
    requestRules: defaultRequestRules,
    caCertificates: null,
    credentials: [{ id: `${id}-key`, secret: 'secret', hint: '****' }],
    headers: [],
    models: [
      {
        id: `${id}-model`,
        upstreamModel: 'upstream',
        categories: ['LLM'],
        pricing: null,
        operations: null,
        contextTokens: null,
      },
    ],
    ...rest,
  }
}

/** Weights by backend id; the target of backend `x` is `tgt-x`. */
export function route(
  weights: Readonly<Record<string, number>>,
  rest: Partial<RouteConfiguration> = {},
): RouteConfiguration {
  return {
    id: 'route',
    name: 'model',
    revision: 1,
    createdAtMs: 0,
    state: 'ACTIVE',
    categories: ['LLM'],
    targets: Object.entries(weights).map(([backendId, weight]) => ({ id: `tgt-${backendId}`, backendId, weight })),
    fallback: null,
    timeouts: defaultTimeouts,
    affinity: 'NONE',
    balancing: 'WEIGHTED',
    rewritesModel: false,
    access: { policy: 'PUBLIC', userIds: [], apiKeyIds: [] },
    ...rest,
  }
}

export function fallback(
  backendIds: readonly string[],
  rest: Partial<NonNullable<RouteConfiguration['fallback']>> = {},
): NonNullable<RouteConfiguration['fallback']> {
  return { backendIds, triggers: defaultTriggers, maxAttempts: 3, ...rest }
}

export function user(id: string, rest: Partial<UserConfiguration> = {}): UserConfiguration {
  return { id, name: id, role: 'MEMBER', state: 'ACTIVE', ...rest }
}

/** Its hash is `hash-<id>`. */
export function apiKey(id: string, ownerId: string, rest: Partial<ApiKeyConfiguration> = {}): ApiKeyConfiguration {
  return {
    id,
    name: id,
    ownerId,
    hash: `hash-${id}`,
    earlierSecrets: [],
    scopes: ['INFERENCE'],
    routeIds: null,
    expiresAtMs: null,
    ...rest,
  }
}

export function snapshotOf(configuration: Partial<Configuration>): Snapshot {
  const compiled = compileSnapshot({
    version: 1,
    token: 'test',
    providers: [],
    deployments: [],
    routes: [],
    users: [],
    apiKeys: [],
    rateLimits: [],
    budgets: [],
    ...configuration,
  })
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.problems))
  return compiled.snapshot
}

export function routeOf(snapshot: Snapshot, name = 'model'): Route {
  const found = snapshot.routesByName.get(name)
  if (!found) throw new Error(`no route ${name}`)
  return found
}

/** A live state written down: all is well but for what the test puts here. */
export class WrittenLive implements LiveView {
  readonly full = new Set<string>()
  readonly busy = new Map<string, number>()
  /** Requests in waiting rooms, by deployment. */
  readonly queued = new Map<string, number>()
  /** Instants of ejection by id; what is here is unhealthy. */
  readonly ejected = new Map<string, number>()
  readonly dueAtMs = new Map<string, number>()
  /** A backend's id and an operation that it answered with 404 for the path. */
  readonly refused = new Set<string>()

  isHealthy(id: string): boolean {
    return !this.ejected.has(id)
  }

  hasCapacity(endpointId: string): boolean {
    return !this.full.has(endpointId)
  }

  waiting(deploymentId: string): number {
    return this.queued.get(deploymentId) ?? 0
  }

  inFlight(endpointId: string): number {
    return this.busy.get(endpointId) ?? 0
  }

  inFlightEverywhere(id: string): number {
    return this.inFlight(id)
  }

  isOperationRefused(backendId: string, operation: string): boolean {
    return this.refused.has(`${backendId} ${operation}`)
  }

  retryAtMs(id: string): number {
    return this.dueAtMs.get(id) ?? 0
  }

  ejectedAtMs(id: string): number {
    return this.ejected.get(id) ?? 0
  }
}

/** Numbers in [0, 1), the same ones for the same seed. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0 || 1
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}
