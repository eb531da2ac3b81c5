import type { BodyBudget, BodyLimits } from '../body/budget.ts'
import type { BudgetGate } from '../limits/budget-gate.ts'
import type { RateGate } from '../limits/rate-gate.ts'
import type { LiveState } from '../live/live-state.ts'
import type { GatewayPorts } from '../ports.ts'
import type { BodyPace, SilenceWatch } from '../body/request-body.ts'
import type { IndexedMember, IndexedSet } from '../loop/indexed-set.ts'
import type { StreamUsageMemory } from '../answer/stream-usage-memory.ts'
import type { UpstreamConnections } from '../upstream/connections.ts'

export interface GatewayLimits extends BodyLimits {
  /** Largest body of a request. */
  readonly maxRequestBytes: number
  /** More requests at once are turned away with 503, so that those in flight stay fast. */
  readonly maxRequestsInFlight: number
  readonly bodyPace: BodyPace
  /** How long a client may leave so much of its answer that nothing more goes out. */
  readonly untakenMs: number
}

/** A request whose response is not over. */
export interface RequestInFlight extends IndexedMember {
  /** The gateway is closing and waits no longer. Never throws. */
  expire(): void
}

/** What all requests of a gateway share. */
export interface GatewayContext {
  readonly ports: GatewayPorts
  readonly limits: GatewayLimits
  readonly live: LiveState
  /** Null if there are no buckets: then no limit applies. */
  readonly rates: RateGate | null
  /** Null if there are no budgets. */
  readonly budgets: BudgetGate | null
  readonly connections: UpstreamConnections
  readonly silence: SilenceWatch
  readonly streamUsage: StreamUsageMemory
  /** Requests whose response is not over. */
  readonly lives: IndexedSet<RequestInFlight>
  readonly bodies: BodyBudget
  isDraining: boolean
}
