import type { BackendHealthReport } from '../../routing/health/backend-health.ts'
import { hasAnyScope, seesUpstreams } from '../kit/authorisation.ts'
import { builder } from '../schema/builder.ts'
import { CircuitState } from './enums.ts'
import type { LivePorts } from '../kit/ports.ts'

export const BackendHealthRef = builder.objectRef<BackendHealthReport>('BackendHealth').implement({
  description: 'Health as the gateways see it: the worst state that any of them reports.',
  fields: (t) => ({
    circuit: t.expose('circuit', { type: CircuitState, description: 'Whether requests are sent.' }),
    consecutiveFailures: t.exposeInt('consecutiveFailures', { description: 'Failures since the last success.' }),
    retryAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When an open circuit allows the next trial request.',
      resolve: ({ retryAtMs }) => (retryAtMs === null ? null : new Date(retryAtMs)),
    }),
    lastError: t.string({
      nullable: true,
      description: 'The last failure, without secrets; null for callers who may not see upstreams.',
      // The error may contain an address of the upstream.
      resolve: ({ lastError }, _args, { actor }) => (hasAnyScope(actor, seesUpstreams) ? lastError : null),
    }),
    observedAt: t.field({
      type: 'DateTime',
      description: 'When this state was observed.',
      resolve: ({ observedAtMs }) => new Date(observedAtMs),
    }),
  }),
})

/** The worst health among these ids; null while no gateway has reported any. */
export function worstHealth(live: LivePorts, ids: readonly string[]): BackendHealthReport | null {
  return ids
    .map((id) => live.health(id))
    .filter((report) => report !== null)
    .reduce<BackendHealthReport | null>(
      (worst, report) => (worst && rank(worst) >= rank(report) ? worst : report),
      null,
    )
}

const circuitRanks = { CLOSED: 0, HALF_OPEN: 1, OPEN: 2 } as const

function rank({ circuit, consecutiveFailures }: BackendHealthReport): number {
  return circuitRanks[circuit] * 1e9 + consecutiveFailures
}
