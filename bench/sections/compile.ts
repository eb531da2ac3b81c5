/** How long compiling the routing state takes: the whole of it, and what one change touches. */
import { compileDelta, compileSnapshot } from '../../src/routing/config/compile.ts'
import {
  type ApiKeyConfiguration,
  type Configuration,
  type DeploymentConfiguration,
  defaultMaxAttempts,
  defaultRequestRules,
  defaultTimeouts,
  defaultTriggers,
  type RouteConfiguration,
} from '../../src/routing/config/configuration.ts'
import type { Row } from '../row.ts'
import { median } from '../statistics.ts'
import type { Bench, Section } from './section.ts'

const sizes = [10, 10_000] as const

export const compileSection: Section = {
  name: 'compile',
  about: 'compiling the routing state, whole and after the change of one route',
  run: async (bench: Bench): Promise<Row[]> =>
    sizes.flatMap((size) => {
      const configuration = createConfiguration(size)
      const compiled = compileSnapshot(configuration)
      if (!compiled.ok) throw new Error(JSON.stringify(compiled.problems))
      const route = configuration.routes[0]!
      const delta = {
        configuration: { ...noConfiguration, version: 2, routes: [{ ...route, revision: 2 }] },
        removed: [],
      }
      const rounds = bench.isQuick ? 5 : 30
      const row = (what: string, unit: string, value: number): Row => ({
        what: `${size} routes, ${size} keys: ${what}`,
        unit,
        values: { signalbox: value },
      })
      return [
        row(
          'whole',
          'ms',
          medianMs(rounds, () => compileSnapshot(configuration)),
        ),
        row(
          'one route changed',
          'ms',
          medianMs(rounds * 20, () => compileDelta(compiled.snapshot, delta)),
        ),
      ]
    }),
}

const noConfiguration: Configuration = {
  version: 0,
  token: '',
  providers: [],
  deployments: [],
  routes: [],
  users: [],
  apiKeys: [],
  rateLimits: [],
  budgets: [],
}

function medianMs(rounds: number, work: () => unknown): number {
  const durations = Array.from({ length: rounds }, () => {
    const startedAtMs = performance.now()
    work()
    return performance.now() - startedAtMs
  })
  return median(durations)
}

function createConfiguration(size: number): Configuration {
  const deployments = Array.from({ length: Math.min(size, 1_000) }, (_, i) => createDeployment(i))
  const backendIdOf = (index: number) => deployments[index % deployments.length]!.id
  return {
    ...noConfiguration,
    version: 1,
    deployments,
    routes: Array.from({ length: size }, (_, i) => createRoute(i, backendIdOf)),
    users: [{ id: 'usr_1', name: 'bench', role: 'OPERATOR', state: 'ACTIVE' }],
    apiKeys: Array.from({ length: size }, (_, i) => createKey(i)),
  }
}

function createDeployment(index: number): DeploymentConfiguration {
  return {
    id: `dep_${index}`,
    name: `deployment-${index}`,
    engine: 'OTHER',
    upstreamModel: 'bench',
    categories: ['LLM'],
    pricing: null,
    operations: null,
    contextTokens: null,
    requestRules: defaultRequestRules,
    caCertificates: null,
    state: 'ACTIVE',
    loadBalancing: 'LEAST_IN_FLIGHT',
    healthCheck: null,
    queue: { maxWaiting: 100, maxWaitMs: 5_000 },
    secret: null,
    endpoints: [{ id: `end_${index}`, url: 'http://127.0.0.1:9/v1', weight: 1, maxInFlight: null, state: 'ACTIVE' }],
  }
}

function createRoute(index: number, backendIdOf: (index: number) => string): RouteConfiguration {
  return {
    id: `rte_${index}`,
    name: `route-${index}`,
    revision: 1,
    createdAtMs: 0,
    state: 'ACTIVE',
    categories: ['LLM'],
    targets: [
      { id: `tgt_${index}a`, backendId: backendIdOf(index), weight: 100 },
      { id: `tgt_${index}b`, backendId: backendIdOf(index + 1), weight: 200 },
    ],
    fallback: { backendIds: [backendIdOf(index + 2)], triggers: defaultTriggers, maxAttempts: defaultMaxAttempts },
    timeouts: defaultTimeouts,
    affinity: 'NONE',
    balancing: 'WEIGHTED',
    rewritesModel: false,
    access: { policy: 'AUTHENTICATED', userIds: [], apiKeyIds: [] },
  }
}

function createKey(index: number): ApiKeyConfiguration {
  return {
    id: `key_${index}`,
    name: 'bench',
    ownerId: 'usr_1',
    hash: index.toString(16).padStart(64, '0'),
    earlierSecrets: [],
    scopes: ['INFERENCE'],
    routeIds: null,
    expiresAtMs: null,
  }
}
