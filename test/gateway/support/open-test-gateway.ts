/** A gateway over a configuration that the test writes down, with its port, its records and its traffic events. */
import { createHash } from 'node:crypto'
import { type Gateway, type GatewayOptions, openGateway } from '../../../src/gateway/gateway.ts'
import type { GatewayPorts, OpenRequest, TrafficEnd, TrafficPlace, UsageSink } from '../../../src/gateway/ports.ts'
import { compileSnapshot } from '../../../src/routing/config/compile.ts'
import {
  type ApiKeyConfiguration,
  type Configuration,
  defaultMaxAttempts,
  defaultRequestRules,
  defaultTimeouts,
  defaultTriggers,
  type DeploymentConfiguration,
  type ProviderConfiguration,
  type RouteConfiguration,
  type Timeouts,
} from '../../../src/routing/config/configuration.ts'
import type { Snapshot } from '../../../src/routing/config/snapshot.ts'
import type { UsageRecord } from '../../../src/routing/usage/record.ts'
import type { FallbackTrigger } from '../../../src/routing/config/vocabulary.ts'
import { transportOfSuite } from './suite-transport.ts'
import { observedSink, type RecordObserver } from '../../../src/server/usage/observed-sink.ts'

/** The key of every test that does not say otherwise. */
export const testKey = 'sbx_test0000_a_key_of_a_test'

export function hashOfKey(key: string): string {
  return createHash('sha256').update(key).digest('hex')
}

export const testApiKey: ApiKeyConfiguration = {
  id: 'key_test',
  name: 'test key',
  ownerId: 'usr_test',
  hash: hashOfKey(testKey),
  earlierSecrets: [],
  scopes: ['INFERENCE'],
  routeIds: null,
  expiresAtMs: null,
}

export function deployment(
  name: string,
  urls: readonly string[],
  rest: Partial<DeploymentConfiguration> & { readonly maxInFlight?: number } = {},
): DeploymentConfiguration {
  const { maxInFlight = null, ...settings } = rest
  return {
    id: `dep_${name}`,
    name,
    engine: 'OTHER',
    upstreamModel: `served-${name}`,
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
    endpoints: urls.map((url, i) => ({
      id: `end_${name}_${i}`,
      url,
      weight: 1,
      maxInFlight,
      state: 'ACTIVE',
    })),
    ...settings,
  }
}

export function provider(
  name: string,
  baseUrl: string,
  rest: Partial<ProviderConfiguration> = {},
): ProviderConfiguration {
  return {
    id: `prv_${name}`,
    name,
    kind: 'OPENAI_COMPATIBLE',
    baseUrl,
    state: 'ACTIVE',
    proxyUrl: null,
    requestRules: defaultRequestRules,
    caCertificates: null,
    credentials: [{ id: `crd_${name}`, secret: `secret-of-${name}`, hint: name.slice(-4) }],
    headers: [],
    models: [
      {
        id: `pmd_${name}`,
        upstreamModel: `model-of-${name}`,
        categories: ['LLM'],
        pricing: null,
        operations: null,
        contextTokens: null,
      },
    ],
    ...rest,
  }
}

export interface RouteSettings extends Partial<Omit<RouteConfiguration, 'targets' | 'fallback' | 'timeouts'>> {
  readonly timeouts?: Partial<Timeouts>
  readonly fallback?: readonly string[]
  readonly triggers?: readonly FallbackTrigger[]
  readonly maxAttempts?: number
}

/** `targets`: backend ids, with weight 100 unless one is given. */
export function route(
  name: string,
  targets: readonly (string | readonly [string, number])[],
  settings: RouteSettings = {},
): RouteConfiguration {
  const { timeouts, fallback, triggers, maxAttempts, ...rest } = settings
  return {
    id: `rte_${name}`,
    name,
    revision: 7,
    createdAtMs: 1_700_000_000_000,
    state: 'ACTIVE',
    categories: ['LLM'],
    targets: targets.map((target) => {
      const [backendId, weight] = typeof target === 'string' ? [target, 100] : target
      return { id: `tgt_${name}_${backendId}`, backendId, weight }
    }),
    fallback: fallback
      ? { backendIds: fallback, triggers: triggers ?? defaultTriggers, maxAttempts: maxAttempts ?? defaultMaxAttempts }
      : null,
    timeouts: { ...defaultTimeouts, ...timeouts },
    affinity: 'NONE',
    balancing: 'WEIGHTED',
    rewritesModel: false,
    access: { policy: 'AUTHENTICATED', userIds: [], apiKeyIds: [] },
    ...rest,
  }
}

export function compile(configuration: Partial<Configuration>): Snapshot {
  const compiled = compileSnapshot({
    version: 1,
    token: 'test',
    providers: [],
    deployments: [],
    routes: [],
    users: [{ id: 'usr_test', name: 'tester', role: 'MEMBER', state: 'ACTIVE' }],
    apiKeys: [testApiKey],
    rateLimits: [],
    budgets: [],
    ...configuration,
  })
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.problems))
  return compiled.snapshot
}

export interface TrafficLog {
  readonly kind: 'began' | 'left' | 'ended'
  readonly place: TrafficPlace
  readonly end?: TrafficEnd
}

export interface TestGateway extends AsyncDisposable {
  readonly gateway: Gateway
  /** `http://127.0.0.1:<port>` */
  readonly origin: string
  readonly port: number
  /** `testKey`. */
  readonly key: string
  readonly opened: OpenRequest[]
  /** Usage records, in the order in which they were written. */
  readonly records: UsageRecord[]
  readonly traffic: TrafficLog[]
  readonly logs: { readonly level: string; readonly fields: object; readonly message: string }[]
  use(configuration: Partial<Configuration>): void
  /** A POST with the test's key; `path` without `/v1`. */
  post(path: string, body: object | string | Buffer, headers?: Record<string, string>): Promise<Response>
  get(path: string, headers?: Record<string, string>): Promise<Response>
}

export interface TestGatewayOptions extends Partial<GatewayOptions> {
  readonly isAllowedAddress?: (address: string) => boolean
  /** Holds back `written`; default: at once. */
  readonly append?: (record: UsageRecord, written: () => void) => void
  /** Told of each record, before `append`. */
  readonly observers?: readonly RecordObserver[]
  readonly ports?: Pick<GatewayPorts, 'metrics' | 'tracer' | 'judgeSnapshot' | 'leaseLimits' | 'leaseBudgets'>
}

export async function openTestGateway(
  configuration: Partial<Configuration>,
  options: TestGatewayOptions = {},
): Promise<TestGateway> {
  let snapshot = compile(configuration)
  const opened: OpenRequest[] = []
  const records: UsageRecord[] = []
  const traffic: TrafficLog[] = []
  const logs: { level: string; fields: object; message: string }[] = []
  const log = (level: string) => (fields: object, message: string) => void logs.push({ level, fields, message })
  const usage: UsageSink = {
    open: (request) => void opened.push(request),
    append: (record, _opened, written) => {
      records.push(record)
      if (options.append) options.append(record, written)
      else written()
    },
  }
  const ports: GatewayPorts = {
    snapshot: () => snapshot,
    usage: observedSink(usage, options.observers ?? []),
    traffic: {
      began: (place) => void traffic.push({ kind: 'began', place }),
      left: (place) => void traffic.push({ kind: 'left', place }),
      ended: (place, end) => void traffic.push({ kind: 'ended', place, end }),
    },
    isAllowedAddress: options.isAllowedAddress ?? (() => true),
    gatewayCount: () => 1,
    log: { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') },
    ...options.ports,
  }
  const gateway = openGateway(ports, {
    host: '127.0.0.1',
    port: 0,
    maxRequestBytes: 4 * 1024 * 1024,
    drainTimeoutMs: 5_000,
    upstreamTransport: transportOfSuite(),
    ...options,
  })
  const { port } = await gateway.listen()
  const origin = `http://127.0.0.1:${port}`
  const authorization = `Bearer ${testKey}`
  return {
    gateway,
    origin,
    port,
    key: testKey,
    opened,
    records,
    traffic,
    logs,
    use: (next) => void (snapshot = compile(next)),
    post: (path, body, headers = {}) =>
      fetch(`${origin}/v1${path}`, {
        method: 'POST',
        headers: { authorization, 'content-type': 'application/json', ...headers },
        body: typeof body === 'string' ? body : Buffer.isBuffer(body) ? new Uint8Array(body) : JSON.stringify(body),
      }),
    get: (path, headers = {}) => fetch(`${origin}${path}`, { headers: { authorization, ...headers } }),
    [Symbol.asyncDispose]: () => gateway[Symbol.asyncDispose](),
  }
}
