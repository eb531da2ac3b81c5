/** What the API shows that is no configuration: the live state. The server plugs it in. */
import type { BackendHealthReport } from '../../routing/health/backend-health.ts'
import type { LiveView } from '../../routing/choose/live-view.ts'
import type { OperationalProblem } from '../../routing/problems/operational-problem.ts'
import type { Snapshot } from '../../routing/config/snapshot.ts'
import type { RouteTrafficReport } from '../../routing/traffic/window.ts'
import type { UsageRecord } from '../../routing/usage/record.ts'

export interface LivePorts {
  /** As `package.json` has it. */
  readonly productVersion: string
  /** The gateway in this process: what it serves is known before its row in the database says so. Null: there is none. */
  readonly gatewayId: string | null
  /**
   * Every request that ended in that gateway before this instant is in the database, or lost; milliseconds since the epoch. It may not have
   * been able to say so there. Omitted: there is no gateway in this process.
   */
  readonly usageCompleteUntilMs?: () => number
  /** What decisions are made with, over all gateways. */
  readonly view: LiveView
  /**
   * The health of an endpoint, a provider model or a credential, as the worst of all gateways; null while none has
   * reported. One read, no wait.
   */
  health(id: string): BackendHealthReport | null
  readonly traffic: TrafficPort
  readonly problems: ProblemsPort
  /** Calls `listener` with each snapshot that this process begins to serve, until the returned function is called. */
  onSnapshot(listener: (snapshot: Snapshot) => void): Unsubscribe
  /** Calls `listener` with each request of a client that ended, in any gateway, until the returned function is called. */
  onRequest(listener: (record: UsageRecord) => void): Unsubscribe
}

export type Unsubscribe = () => void

export interface TrafficPort {
  /** The traffic of the window that ends now, over all gateways. Never rejects. */
  read(routeId: string, windowMs: number): Promise<RouteTrafficReport>
  /**
   * Calls `listener` at once, then each `intervalMs`, and at once after each new revision of the route, until the returned
   * function is called. Subscribers with the same route, interval and window share one computation.
   */
  watch(
    routeId: string,
    options: { readonly intervalMs: number; readonly windowMs: number },
    listener: (report: RouteTrafficReport) => void,
  ): Unsubscribe
}

export interface ProblemList {
  /** When this was so, in milliseconds since the epoch. */
  readonly atMs: number
  /** Worst first. */
  readonly problems: readonly OperationalProblem[]
}

export interface ProblemsPort {
  /** What is wrong now. It needs no database. Never rejects. */
  read(): Promise<ProblemList>
  /** Calls `listener` soon, and whenever something of it may have changed, until the returned function is called. */
  watch(listener: (list: ProblemList) => void): Unsubscribe
}
