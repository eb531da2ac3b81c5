import type { Gateway } from '../../gateway/gateway.ts'
import type { MetricsReader } from '../../gateway/ports.ts'
import type { Spool } from '../../gateway/spool/spool.ts'
import type { Snapshot } from '../../routing/config/snapshot.ts'
import type { Database } from '../../storage/database/database.ts'
import type { GatewayRow } from '../../storage/gateway/write.ts'
import type { ApiMetrics } from './api-metrics.ts'
import { controlFamilies } from './control-families.ts'
import { gatewayFamilies } from './gateway-families.ts'
import { createLimitMetrics } from './limit-families.ts'
import { createMetricsReader } from './metrics-reader.ts'
import type { RequestMetrics } from './request-metrics.ts'

/** The metrics pages of the listeners. */
export interface Metrics {
  /** The requests, and how the gateway of this process is; without an API in the process, everything. */
  readonly ofGateway: MetricsReader
  /** The same, and how the installation is. */
  readonly ofAll: MetricsReader
}

/** The part of the gateway of this process. */
export interface GatewayMetricsSource {
  readonly requestMetrics: RequestMetrics
  readonly gateway: Gateway
  readonly usage: { readonly spool: Spool }
}

export function createMetrics(options: {
  /** Null: this process has no API. */
  readonly api: { readonly metrics: ApiMetrics } | null
  /** Null: this process has no gateway. */
  readonly dataPlane: GatewayMetricsSource | null
  readonly snapshot: () => Snapshot
  readonly isRefusing: () => boolean
  /** Null: another process looks after the usage of all. */
  readonly care: { readonly lostByAll: () => number | null } | null
  /** The connections to the database, by what they are for. */
  readonly pools: Readonly<Record<string, Pick<Database, 'pool'>>>
  /** Called before a page is written, to read current values. */
  readonly reads: Pick<Database, 'db'>
  readonly version: string
  readonly otherGateways: () => readonly GatewayRow[]
}): Metrics {
  const { api, dataPlane, snapshot, isRefusing, care, pools, reads, version, otherGateways } = options
  const ofRequests = dataPlane ? dataPlaneFamilies(dataPlane, snapshot) : []
  const sweep = dataPlane?.requestMetrics.sweep
  const installation = controlFamilies({
    version,
    gatewaysHere: dataPlane ? 1 : 0,
    servedVersion: () => snapshot().version,
    isRefusing,
    others: otherGateways,
    lostByAll: () => care?.lostByAll() ?? null,
    pools,
  })
  const limits = api && createLimitMetrics(reads.db, snapshot)
  const ofAll = createMetricsReader(
    [...ofRequests, ...installation, ...(api?.metrics.families ?? []), ...(limits?.families ?? [])],
    async () => {
      sweep?.()
      await limits?.refresh()
    },
  )
  return { ofAll, ofGateway: api ? createMetricsReader(ofRequests, sweep) : ofAll }
}

function dataPlaneFamilies({ requestMetrics, gateway, usage }: GatewayMetricsSource, snapshot: () => Snapshot) {
  return [...requestMetrics.families, ...gatewayFamilies({ gateway, snapshot, spool: usage.spool })]
}
