import type { GatewayRow } from '../../storage/gateway/write.ts'
import type { PoolState } from '../../storage/database/database.ts'
import { type MetricFamily, plainFamily, type Sample } from './metric-family.ts'

/** How the installation is, as this process sees it. */
export function controlFamilies(options: {
  readonly version: string
  /** Gateways of this process: 0 or 1. */
  readonly gatewaysHere: number
  readonly servedVersion: () => number
  /** Whether this process refuses the latest configuration. */
  readonly isRefusing: () => boolean
  readonly others: () => readonly GatewayRow[]
  readonly lostByAll: () => number | null
  readonly pools: Readonly<Record<string, { readonly pool: () => PoolState }>>
}): MetricFamily[] {
  const { version, gatewaysHere, servedVersion, isRefusing, others, lostByAll, pools } = options
  return [
    {
      name: 'signalbox_build_info',
      help: 'Always 1; the version is a label.',
      type: 'gauge',
      read: () => [{ labels: { version }, value: 1 }],
    },
    plainFamily('gauge', 'signalbox_gateways', 'Live gateways.', () => others().length + gatewaysHere),
    plainFamily(
      'gauge',
      'signalbox_config_applied_version',
      'Version of the configuration that every live gateway serves at least.',
      () => others().reduce((least, gateway) => Math.min(least, gateway.applied_version), servedVersion()),
    ),
    plainFamily(
      'gauge',
      'signalbox_config_refused',
      '1 while this process cannot read the latest configuration and serves the last good one; else 0.',
      () => (isRefusing() ? 1 : 0),
    ),
    {
      name: 'signalbox_usage_lost_requests',
      help: 'Requests whose usage records are lost, of all gateways and over restarts; those that a forgotten gateway may still have included.',
      type: 'gauge',
      read: () => lostSamples(lostByAll()),
    },
    {
      name: 'signalbox_database_connections',
      help: 'Connections of this process to the database.',
      type: 'gauge',
      read: () => Object.entries(pools).flatMap(([name, { pool }]) => poolSamples(name, pool())),
    },
    {
      name: 'signalbox_database_queries_waiting',
      help: 'Queries that wait for a connection.',
      type: 'gauge',
      read: () => Object.entries(pools).map(([name, { pool }]) => ({ labels: { pool: name }, value: pool().waiting })),
    },
  ]
}

/** Undefined until the database was read. */
function lostSamples(lost: number | null): Sample[] {
  return lost === null ? [] : [{ labels: {}, value: lost }]
}

function poolSamples(name: string, { busy, idle }: PoolState): Sample[] {
  return [
    { labels: { pool: name, state: 'busy' }, value: busy },
    { labels: { pool: name, state: 'idle' }, value: idle },
  ]
}
