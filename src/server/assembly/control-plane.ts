import { createChangeQueue } from '../../control/kit/change-queue.ts'
import type { ControlContext } from '../../control/kit/context.ts'
import { ensureFirstAdministrator, type FirstAdministrator } from '../../control/user/first-administrator.ts'
import type { LivePorts } from '../../graphql/kit/ports.ts'
import type { TrustedDocuments } from '../../graphql/transport/trusted-documents.ts'
import { getInstallation } from '../../storage/secret/installation.ts'
import { openApiListener } from '../listeners/api.ts'
import type { Config } from '../configuration/config.ts'
import { createLiveReports, idleLiveState } from '../gateways/live-reports.ts'
import type { Log } from '../log/log.ts'
import type { MetricsReader } from '../../gateway/ports.ts'
import type { ApiMetrics } from '../metrics/api-metrics.ts'
import { startRetention } from '../database/retention.ts'
import { openUpstreamHttp } from '../upstream/http.ts'
import type { Tracing } from '../tracing/tracing.ts'
import type { UpstreamPolicy } from '../upstream/policy.ts'
import { readProductVersion } from '../configuration/product-version.ts'
import type { DataPlane } from './data-plane.ts'
import type { Foundation } from './foundation.ts'
import type { OnlineServices } from './online.ts'
import { openProblems } from './problems.ts'
import type { ReportingServices } from './reporting.ts'

/** The API on its port. */
export interface ControlPlane extends AsyncDisposable {
  readonly url: string
  /** Runs when the database is reachable: creates the first administrator's key if there is none, and makes the API ready. */
  administer(): Promise<FirstAdministrator>
  drain(timeoutMs: number): Promise<unknown>
}

export interface ControlPlaneOptions {
  readonly kept: Foundation
  readonly reporting: ReportingServices
  /** Null: this process has no gateway. */
  readonly dataPlane: DataPlane | null
  /** The gateway that the console uses where this process has none. */
  readonly gatewayUrl: (() => string | undefined) | undefined
  readonly online: OnlineServices
  readonly policy: UpstreamPolicy
  readonly trusted: TrustedDocuments | undefined
  readonly apiMetrics: ApiMetrics
  /** The metrics page of the API. */
  readonly readMetrics: MetricsReader
  /** Undefined if traces are off. */
  readonly tracing: Tracing | undefined
  readonly log: Log
}

/** Opens the API's port. It says that it is not ready until `administer` is done. */
export async function openControlPlane(config: Config, options: ControlPlaneOptions): Promise<ControlPlane> {
  await using opened = new AsyncDisposableStack()
  const { kept, reporting, dataPlane, online, apiMetrics, log } = options
  const { persistence, follower } = kept
  const control = createControl(kept, options.policy, opened)
  let cursorKey: Buffer | undefined
  let isReady = false
  const api = opened.use(
    await openApiListener({
      listen: config.api,
      control,
      reads: persistence.reads,
      live: livePortsOf(options, opened),
      noteKeyUse: reporting.keyUse.note,
      cursorKey: () => cursorKey,
      trusted: options.trusted,
      costPerMinute: config.apiCostPerMinute,
      countOperation(report) {
        apiMetrics.report(report)
        options.tracing?.traceOperation(report)
      },
      gatewayUrl: () => config.gatewayUrl ?? options.gatewayUrl?.() ?? dataPlane?.url(),
      metrics: options.readMetrics,
      metricsOpen: config.metricsOpen,
      whyNotReady: () => (isReady ? undefined : 'the database cannot be reached'),
      log,
    }),
  )
  const owned = opened.move()
  return {
    url: api.url,
    drain: (timeoutMs) => api.drain(timeoutMs),
    async administer() {
      await online.done
      const { db } = persistence.database
      cursorKey = (await online.untilUsable(() => getInstallation(db))).cursorKey
      const administrator = await online.untilUsable(() => ensureFirstAdministrator(control, config.adminKey ?? null))
      // Another process that starts at the same time may have created the key.
      await follower.catchUp()
      isReady = true
      owned.use(startRetention({ db, retentionDays: config.retentionDays, log }))
      return administrator
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

function createControl(kept: Foundation, policy: UpstreamPolicy, opened: AsyncDisposableStack): ControlContext {
  return {
    db: kept.persistence.commands.db,
    box: kept.persistence.box,
    snapshots: kept.store,
    upstreams: policy,
    upstreamHttp: opened.use(openUpstreamHttp(policy)),
    propagation: kept.registry.propagation,
    queue: createChangeQueue({ atOnce: 5, maxWaiting: 5_000, patienceMs: 300_000 }),
  }
}

function livePortsOf(options: ControlPlaneOptions, opened: AsyncDisposableStack): LivePorts {
  const { kept, reporting, dataPlane } = options
  const reports = createLiveReports(dataPlane?.gateway.live ?? idleLiveState, kept.registry.others)
  return {
    ...reports,
    problems: opened.use(openProblems(options, reports)),
    productVersion: readProductVersion(),
    gatewayId: dataPlane && kept.gatewayId,
    ...(dataPlane && { usageCompleteUntilMs: () => dataPlane.usage.spool.state().completeUntilMs }),
    traffic: reporting.traffic,
    onSnapshot: kept.store.subscribe,
    onRequest: reporting.feed.onRequest,
  }
}
