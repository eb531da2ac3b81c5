import type { FirstAdministrator } from '../control/user/first-administrator.ts'
import type { ControlPlane, ControlPlaneOptions } from './assembly/control-plane.ts'
import { type DataPlane, openDataPlane } from './assembly/data-plane.ts'
import { type Foundation, openFoundation } from './assembly/foundation.ts'
import { goOnline, untilServable } from './assembly/online.ts'
import { openReporting } from './assembly/reporting.ts'
import type { Config } from './configuration/config.ts'
import type { Log } from './log/log.ts'
import { type ApiMetrics, createApiMetrics } from './metrics/api-metrics.ts'
import { createMetrics, type Metrics } from './metrics/metrics.ts'
import { openTracing } from './tracing/tracing.ts'
import { createUpstreamPolicy, isLoopbackHost } from './upstream/policy.ts'
import { createUsageMaintenance } from './usage/maintenance.ts'

/** What is last said to the database at the end must not keep the process: it may hang. */
const lastWordsMs = 3_000

/** The running product. Disposing ends it at once; `drain` before that loses no request. */
export interface RunningServer extends AsyncDisposable {
  /** Null: the process has no API. */
  readonly apiUrl: string | null
  /** Null: the process has no gateway. */
  readonly gatewayUrl: string | null
  /** What the start did about the administrator's key; comes late if the database does. Null: the process has no API. */
  readonly firstAdministrator: Promise<FirstAdministrator> | null
  /** Readiness goes off, nothing new is taken, and what is in flight ends, at the latest after the configured time. */
  drain(): Promise<void>
}

export interface ServeOptions {
  readonly version: string
  /** Ends the wait for a database that is away. */
  readonly signal: AbortSignal
}

/**
 * Opens everything that the role needs, from the database to the listeners, in the order of their needs; what was opened is
 * closed in the opposite order, also if a later step fails. Throws `StartError` with what to do if it cannot start.
 */
export async function serve(config: Config, log: Log, { version, signal }: ServeOptions): Promise<RunningServer> {
  await using opened = new AsyncDisposableStack()
  const { role } = config
  const policy = createUpstreamPolicy({ allow: config.upstreamAllow, apiIsLoopback: isLoopbackHost(config.api.host) })
  const api = role === 'gateway' ? null : await loadApi(config)

  const kept = opened.use(await openFoundation(config, { version, log }))
  // A start that was cut short has queries that nobody needs any more.
  let isServed = false
  opened.defer(() => {
    if (!isServed) kept.persistence.abandon()
  })
  const reporting = opened.use(openReporting(kept, log))
  const { otlpEndpoint, traceSampling: sampling } = config
  const traceOptions = { sampling, version, instanceId: kept.gatewayId, log }
  const tracing = opened.use(await openTracing(otlpEndpoint, traceOptions))
  const gatewayParts = { kept, reporting, policy, tracing, log, readMetrics: () => metrics.ofGateway() }
  const dataPlane = opened.use(role === 'control' ? null : await openDataPlane(config, gatewayParts))
  const care = opened.use(api && createUsageMaintenance({ ...config, db: kept.persistence.database.db, log }))
  const metrics: Metrics = createMetrics({ ...metricsSourcesOf(kept), dataPlane, care, api, version })
  const online = opened.use(goOnline(config, { kept, reporting, dataPlane, care, policy, log, signal }))
  await untilServable(online, kept, log)
  const apiParts = { kept, reporting, dataPlane, online, policy, tracing, log, readMetrics: metrics.ofAll }
  const controlPlane = opened.use(api && (await api.open(apiParts)))
  const gatewayUrl = dataPlane && (await dataPlane.listen())
  // With both ports in hand: a start that fails for a port must not have made a key that nobody has seen.
  const firstAdministrator = controlPlane && controlPlane.administer()
  if (!kept.isKnown) await firstAdministrator

  isServed = true
  const stack = opened.move()
  return {
    apiUrl: controlPlane && controlPlane.url,
    gatewayUrl,
    firstAdministrator,
    drain: () => drain(config, dataPlane, controlPlane),
    async [Symbol.asyncDispose]() {
      const late = setTimeout(() => kept.persistence.abandon(), lastWordsMs)
      await stack.disposeAsync().finally(() => clearTimeout(late))
    },
  }
}

interface Api {
  readonly metrics: ApiMetrics
  open(parts: Omit<ControlPlaneOptions, 'trusted' | 'apiMetrics'>): Promise<ControlPlane>
}

/** Loaded on demand: a gateway has no GraphQL and no control code in its process. Reads the trusted documents first of all. */
async function loadApi(config: Config): Promise<Api> {
  const [{ openControlPlane }, { readTrustedDocuments }] = await Promise.all([
    import('./assembly/control-plane.ts'),
    import('./configuration/trusted-documents.ts'),
  ])
  const { trustedDocumentsDir } = config
  const trusted = trustedDocumentsDir === undefined ? undefined : await readTrustedDocuments(trustedDocumentsDir)
  const metrics = createApiMetrics()
  return { metrics, open: (parts) => openControlPlane(config, { ...parts, trusted, apiMetrics: metrics }) }
}

function metricsSourcesOf({ persistence, store, follower, registry }: Foundation) {
  const { database, commands, reads } = persistence
  return {
    snapshot: store.current,
    isRefusing: follower.isRefusing,
    pools: { serving: database, commands, reads },
    reads,
    otherGateways: registry.others,
  }
}

async function drain(config: Config, dataPlane: DataPlane | null, controlPlane: ControlPlane | null): Promise<void> {
  await Promise.all([dataPlane?.gateway.drain(), controlPlane?.drain(config.drainTimeoutMs)])
}
