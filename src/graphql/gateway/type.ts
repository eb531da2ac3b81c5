import type { VersionId } from '../../storage/config/history.ts'
import type { GatewayRow } from '../../storage/gateway/write.ts'
import { builder } from '../schema/builder.ts'
import type { GraphQLContext } from '../kit/context.ts'
import { GatewayState } from './enums.ts'

export type GatewayStatus = Omit<GatewayRow, 'health' | 'endpoint_in_flight'>

export const Gateway = builder.objectRef<GatewayStatus>('Gateway').implement({
  description: 'One process of the data plane.',
  fields: (t) => ({
    id: t.exposeID('id', { description: 'New with each start.' }),
    appliedVersion: t.expose('applied_version', { type: 'SafeInt', description: 'The version that it serves.' }),
    appliedAt: t.field({
      type: 'DateTime',
      description: 'When it began to serve that version.',
      resolve: (row) => row.applied_at,
    }),
    inFlight: t.exposeInt('in_flight', { description: 'Requests in flight.' }),
    pendingUsageRecords: t.expose('pending_usage_records', {
      type: 'SafeInt',
      description: 'Usage records that are not yet in the database.',
    }),
    usageCompleteUntil: t.field({
      type: 'DateTime',
      description: 'Usage up to this instant is in the database.',
      resolve: async (row, _args, { loaders }) => (await loaders.spoolStatus.load(row.spool_id ?? '')).completeUntil,
    }),
    lostUsageRecords: t.field({
      type: 'SafeInt',
      description:
        'Usage records that it lost because neither its spool nor the database could keep them, restarts included.',
      resolve: async (row, _args, { loaders }) => (await loaders.spoolStatus.load(row.spool_id ?? '')).lost,
    }),
    startedAt: t.field({ type: 'DateTime', description: 'When it was started.', resolve: (row) => row.started_at }),
    seenAt: t.field({ type: 'DateTime', description: 'When it last reported.', resolve: (row) => row.seen_at }),
    build: t.exposeString('build', { description: 'Software version.' }),
    state: t.expose('state', { type: GatewayState, description: 'Whether it reports.' }),
    host: t.exposeString('host', { description: 'Name of its machine.' }),
  }),
})

/**
 * The gateway's row. For the gateway of this process its current state replaces the one that it last reported: without peers it reports
 * only with its heartbeat. `latest` is the version of the database.
 */
export function asItIs({ control, live }: GraphQLContext, gateway: GatewayRow, latest: VersionId): GatewayRow {
  if (gateway.id !== live.gatewayId) return gateway
  const { version, token } = control.snapshots.current()
  const isReported = gateway.applied_version === version
  const follows = version === latest.version ? token === latest.token : gateway.follows || !isReported
  return { ...gateway, applied_version: version, follows }
}
