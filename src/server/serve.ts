import type { FirstAdministrator } from '../control/user/first-administrator.ts'
import type { ControlPlane, ControlPlaneOptions } from './assembly/control-plane.ts'
import { type DataPlane, openDataPlane } from './assembly/data-plane.ts'
import { type Foundation, openFoundation } from './assembly/foundation.ts'
import { goOnline, untilServable } from './assembly/online.ts'
import { openReporting } from './assembly/reporting.ts'
import type { MetricsReader } from '../gateway/ports.ts'
import type { Config } from './configuration/config.ts'
import type { Log } from './log/log.ts'
import { type ApiMetrics, createApiMetrics } from './metrics/api-metrics.ts'
import { createMetrics, type Metrics } from './metrics/metrics.ts'
import { openTracing } from './tracing/tracing.ts'
import { createUpstreamPolicy, isLoopbackHost } from './upstream/policy.ts'
import { createUsageMaintenance } from './usage/maintenance.ts'

/** The last messages to the database must not delay the end of the process, because it may hang. */
const lastWordsMs = 3_000

/** The running product. Disposing ends it at once; `drain` before that loses no request. */
export interface RunningServer extends AsyncDisposable {
  /** Null: the process has no API. */
  readonly apiUrl: string | null
  /** Null: the process has no gateway. */
  readonly gatewayUrl: string | null
  /** The result of the check for an administrator's key, available when the database is reachable; null if the process has no API. */
  readonly firstAdministrator: Promise<FirstAdministrator> | null
  /** Turns readiness off, accepts nothing new, and waits for requests in flight, at most for the configured time. */
  drain(): Promise<void>
}

export interface ServeOptions {
  readonly version: string
  /** Ends the wait for an unreachable database. */
  readonly signal: AbortSignal
  /** Given the metrics of this process, returns what a scrape is answered with; omitted: the same. */
  readonly shareMetrics?: (own: MetricsReader) => MetricsReader
  /** The gateway that the console uses; omitted: the gateway of this process. */
  readonly gatewayUrl?: () => string | undefined
}

/**
 * Opens everything that the role needs, from the database to the listeners, in the order of their needs; what was opened is
 * closed in the opposite order, also if a later step fails. Throws `StartError` with what to do if it cannot start.
 */
export async function serve(config: Config, log: Log, options: ServeOptions): Promise<RunningServer> {
  await using opened = new AsyncDisposableStack()
  const { version, signal, shareMetrics = (own) => own } = options
  const { role } = config
  const policy = createUpstreamPolicy({ allow: config.upstreamAllow, apiIsLoopback: isLoopbackHost(config.api.host) })
  const api = role === 'gateway' ? null : await loadApi(config)

  const kept = opened.use(await openFoundation(config, { version, log }))
  // An interrupted start has queries that are no longer needed.
  let isServed = false
  opened.defer(() => {
    if (!isServed) kept.persistence.abandon()
  })
  const reporting = opened.use(openReporting(kept, log))
  const { otlpEndpoint, traceSampling: sampling } = config
  const traceOptions = { sampling, version, instanceId: kept.gatewayId, log }
  const tracing = opened.use(await openTracing(otlpEndpoint, traceOptions))
  const gatewayParts = { kept, reporting, policy, tracing, log, readMetrics: () => readOfGateway() }
  const dataPlane = opened.use(role === 'control' ? null : await openDataPlane(config, gatewayParts))
  const care = opened.use(api && createUsageMaintenance({ ...config, db: kept.persistence.database.db, log }))
  const metrics: Metrics = createMetrics({ ...metricsSourcesOf(kept), dataPlane, care, api, version })
  const readOfGateway = shareMetrics(metrics.ofGateway)
  const online = opened.use(goOnline(config, { kept, reporting, dataPlane, care, policy, log, signal }))
  await untilServable(online, kept, log)
  const apiParts = { kept, reporting, dataPlane, gatewayUrl: options.gatewayUrl, online, policy, tracing, log }
  const controlPlane = opened.use(api && (await api.open({ ...apiParts, readMetrics: shareMetrics(metrics.ofAll) })))
  const gatewayUrl = dataPlane && (await dataPlane.listen())
  // Runs after both ports are open: a start that fails because of a port must not create a key that is never shown.
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
