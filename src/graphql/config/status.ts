import { getConfigVersion } from '../../storage/change/version.ts'
import { listGateways } from '../../storage/gateway/write.ts'
import { readsConfig } from '../kit/authorisation.ts'
import { builder } from '../schema/builder.ts'
import type { GraphQLContext } from '../kit/context.ts'
import { asItIs, Gateway, type GatewayStatus } from '../gateway/type.ts'

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
      description: 'The lowest version that a live gateway serves.',
      resolve: appliedVersionOf,
    }),
    gateways: t.expose('gateways', {
      type: [Gateway],
      description:
        'The gateways that may still be serving, in order of their start: live gateways, and lost gateways until they are forgotten.',
    }),
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

async function readConfigStatus(context: GraphQLContext): Promise<ConfigStatus> {
  const { db } = context
  const gateways = await listGateways(db)
  const latest = await getConfigVersion(db)
  const { version, committed_at: committedAt } = latest
  return { version, committedAt, gateways: gateways.map((gateway) => asItIs(context, gateway, latest)) }
}

/** A gateway that serves a version that the database has lost counts as serving no version. */
function appliedVersionOf({ version, gateways }: ConfigStatus): number {
  const live = gateways.filter(({ state }) => state === 'LIVE')
  return Math.min(version, ...live.map((gateway) => (gateway.follows ? gateway.applied_version : 0)))
}
