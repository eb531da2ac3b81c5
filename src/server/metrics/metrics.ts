import type { Gateway } from '../../gateway/gateway.ts'
import type { MetricsReader } from '../../gateway/ports.ts'
import type { Spool } from '../../gateway/spool/spool.ts'
import type { Snapshot } from '../../routing/config/snapshot.ts'
import type { Database } from '../../storage/database/database.ts'
import type { GatewayRow } from '../../storage/gateway/write.ts'
import type { ApiMetrics } from './api-metrics.ts'
import { controlFamilies } from './control-families.ts'
import { gatewayFamilies } from './gateway-families.ts'
import { createMetricsReader } from './metrics-reader.ts'
import type { RequestMetrics } from './request-metrics.ts'

/** What the two listeners answer a scrape with. */
export interface Metrics {
  /** The requests, and how the gateway of this process is. */
  readonly ofGateway: MetricsReader
  /** The same, and how the installation is. */
  readonly ofAll: MetricsReader
}

export function createMetrics(options: {
  readonly requests: RequestMetrics
  readonly api: ApiMetrics
  readonly gateway: Gateway
  readonly snapshot: () => Snapshot
  readonly spool: Spool
  readonly lostByAll: () => number | null
  /** The connections to the database, by what they are for. */
  readonly pools: Readonly<Record<string, Pick<Database, 'pool'>>>
  readonly version: string
  readonly otherGateways: () => readonly GatewayRow[]
}): Metrics {
  const { requests, api, gateway, snapshot, spool, lostByAll, pools, version, otherGateways } = options
  const dataPlane = [...requests.families, ...gatewayFamilies({ gateway, snapshot, spool })]
  const installation = controlFamilies({
    version,
    servedVersion: () => snapshot().version,
    others: otherGateways,
    lostByAll,
    pools,
  })
  return {
    ofGateway: createMetricsReader(dataPlane, requests.sweep),
    ofAll: createMetricsReader([...dataPlane, ...installation, ...api.families], requests.sweep),
  }
}
