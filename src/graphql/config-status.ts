import { getConfigVersion } from '../storage/config-version.ts'
import { type GatewayRow, listLiveGateways } from '../storage/gateway.ts'
import { readsConfig } from './authorisation.ts'
import { builder } from './builder.ts'
import type { GraphQLContext } from './context.ts'

type GatewayStatus = Omit<GatewayRow, 'health' | 'endpoint_in_flight'>

const Gateway = builder.objectRef<GatewayStatus>('Gateway').implement({
  description: 'One process of the data plane.',
  fields: (t) => ({
    id: t.exposeID('id', { description: 'New with each start.' }),
    appliedVersion: t.expose('applied_version', { type: 'SafeInt', description: 'The version that it serves.' }),
    appliedAt: t.field({ type: 'DateTime', description: 'Since when.', resolve: (row) => row.applied_at }),
    inFlight: t.exposeInt('in_flight', { description: 'Requests in flight.' }),
    pendingUsageRecords: t.expose('pending_usage_records', {
      type: 'SafeInt',
      description: 'Usage records that are not yet in the database.',
    }),
    startedAt: t.field({ type: 'DateTime', description: 'When it was started.', resolve: (row) => row.started_at }),
    seenAt: t.field({ type: 'DateTime', description: 'When it last said so.', resolve: (row) => row.seen_at }),
    build: t.exposeString('build', { description: 'Software version.' }),
  }),
})

interface ConfigStatus {
  readonly version: number
  readonly committedAt: Date
  readonly gateways: readonly GatewayStatus[]
}

const ConfigStatusRef = builder.objectRef<ConfigStatus>('ConfigStatus').implement({
  description: 'The configuration as the gateways see it. One number orders all changes.',
  fields: (t) => ({
    version: t.expose('version', { type: 'SafeInt', description: 'Latest committed version.' }),
    committedAt: t.field({
      type: 'DateTime',
      description: 'When it was committed.',
      resolve: ({ committedAt }) => committedAt,
    }),
    appliedVersion: t.field({
      type: 'SafeInt',
      description: 'The version that every live gateway serves at least.',
      resolve: ({ version, gateways }) => Math.min(version, ...gateways.map((gateway) => gateway.applied_version)),
    }),
    gateways: t.expose('gateways', { type: [Gateway], description: 'The live ones, in order of their start.' }),
  }),
})

builder.queryField('configStatus', (t) =>
  t.field({
    type: ConfigStatusRef,
    description: 'How far the latest configuration has spread.',
    authScopes: readsConfig,
    resolve: (_root, _args, context) => readConfigStatus(context),
  }),
)

async function readConfigStatus({ control, live }: GraphQLContext): Promise<ConfigStatus> {
  const gateways = await listLiveGateways(control.db)
  // Last, so that no gateway serves more than the latest.
  const { version, committed_at: committedAt } = await getConfigVersion(control.db)
  const serving = control.snapshots.current().version
  return {
    version,
    committedAt,
    gateways: gateways.map((gateway) =>
      gateway.id === live.gatewayId && gateway.applied_version < serving
        ? { ...gateway, applied_version: serving }
        : gateway,
    ),
  }
}
