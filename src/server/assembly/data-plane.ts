import { type Gateway, openGateway } from '../../gateway/gateway.ts'
import type { GatewayPorts, MetricsReader } from '../../gateway/ports.ts'
import { timelyRecord } from '../../gateway/spool/timely-record.ts'
import type { Config } from '../configuration/config.ts'
import { urlOf, whyNotListening } from '../listeners/http.ts'
import { createBudgetPort, createLeasePort } from '../limits/lease-port.ts'
import { inFlightElsewhere } from '../gateways/live-reports.ts'
import type { Log } from '../log/log.ts'
import { createRequestMetrics, type RequestMetrics } from '../metrics/request-metrics.ts'
import { observedSink } from '../usage/observed-sink.ts'
import type { Tracing } from '../tracing/tracing.ts'
import type { UpstreamPolicy } from '../upstream/policy.ts'
import { openUsage, type Usage } from '../usage/open-usage.ts'
import type { Foundation } from './foundation.ts'
import type { ReportingServices } from './reporting.ts'

/** The gateway of this process, and its usage on the way to the database. */
export interface DataPlane extends AsyncDisposable {
  readonly gateway: Gateway
  readonly usage: Usage
  readonly requestMetrics: RequestMetrics
  /** Opens the gateway's port; resolves to its URL. Throws `StartError` with the variable to change if it cannot be had. */
  listen(): Promise<string>
  /** The gateway's URL once it listens. */
  readonly url: () => string | undefined
}

export interface DataPlaneOptions {
  readonly kept: Foundation
  readonly reporting: ReportingServices
  readonly policy: UpstreamPolicy
  /** The metrics page of the gateway. */
  readonly readMetrics: MetricsReader
  /** Undefined if traces are off. */
  readonly tracing: Tracing | undefined
  readonly log: Log
}

/** Opens the gateway; it takes no requests before `listen`. */
export async function openDataPlane(config: Config, options: DataPlaneOptions): Promise<DataPlane> {
  await using opened = new AsyncDisposableStack()
  const { kept, reporting, policy, tracing, log } = options
  const { persistence, store, judge, registry } = kept
  const { db } = persistence.database
  const onStored = (ids: readonly string[]) => {
    gateway.noteStored(ids)
    return reporting.feed.announce(ids)
  }
  const usage = opened.use(openUsage({ ...config, db, onStored, log }))
  const requestMetrics = createRequestMetrics({ snapshot: store.current })
  const observers = [requestMetrics.count, reporting.keyUse.observe, reporting.feed.observe]
  const ports: GatewayPorts = {
    snapshot: store.current,
    judgeSnapshot: judge.judge,
    usage: observedSink(usage.spool, observers, (record) => timelyRecord(record, usage.spool.clock)),
    traffic: reporting.counters,
    isAllowedAddress: policy.isAllowedAddress,
    gatewayCount: registry.gatewayCount,
    inFlightElsewhere: (id) => inFlightElsewhere(registry.others(), id),
    leaseLimits: createLeasePort(db, kept.gatewayId),
    leaseBudgets: createBudgetPort(db, { gatewayId: kept.gatewayId, spoolId: usage.spool.id }),
    metrics: options.readMetrics,
    tracer: tracing?.tracer,
    log,
  }
  const gateway = opened.use(openGateway(ports, gatewayOptionsOf(config)))
  // Requests that wait for a backend must learn of new room at once, and not only with the next request.
  opened.defer(store.subscribe(() => gateway.follow()))
  let url: string | undefined
  const owned = opened.move()
  return {
    gateway,
    usage,
    requestMetrics,
    listen: async () => (url = await listen(gateway, config)),
    url: () => url,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

async function listen(gateway: Gateway, config: Config): Promise<string> {
  const address = await gateway.listen().catch((error: NodeJS.ErrnoException) => {
    throw whyNotListening(error, config.gateway, 'SIGNALBOX_GATEWAY')
  })
  return urlOf(config.gateway.host, address.port)
}

function gatewayOptionsOf(config: Config) {
  return {
    upstreamTransport: config.upstreamTransport,
    ...config.gateway,
    maxRequestBytes: config.maxRequestBytes,
    drainTimeoutMs: config.drainTimeoutMs,
    corsOrigins: config.corsOrigins,
    limits: bodyLimitsOf(config),
  }
}

/** Options that are not set take the gateway's default. */
function bodyLimitsOf({ maxBodyMemoryBytes, maxBodyDiskBytes }: Config) {
  return {
    ...(maxBodyMemoryBytes !== undefined && { maxHeldBytes: maxBodyMemoryBytes }),
    ...(maxBodyDiskBytes !== undefined && { maxSpooledBytes: maxBodyDiskBytes }),
  }
}
