/** The ports through which the API reads the live state. The server implements them. */
import type { BackendHealthReport } from '../../routing/health/backend-health.ts'
import type { LiveView } from '../../routing/choose/live-view.ts'
import type { OperationalProblem } from '../../routing/problems/operational-problem.ts'
import type { Snapshot } from '../../routing/config/snapshot.ts'
import type { RouteTrafficReport } from '../../routing/traffic/window.ts'
import type { UsageRecord } from '../../routing/usage/record.ts'

export interface LivePorts {
  /** The version in `package.json`. */
  readonly productVersion: string
  /**
   * The id of the gateway in this process, whose served version is known before its row in the database shows it; null if there is
   * none.
   */
  readonly gatewayId: string | null
  /**
   * Every request that ended in that gateway before this instant (milliseconds since the epoch) is in the database or lost. The
   * gateway's row may not show it yet. Omitted: there is no gateway in this process.
   */
  readonly usageCompleteUntilMs?: () => number
  /** The live state with which gateways choose targets, over all gateways. */
  readonly view: LiveView
  /**
   * The worst health that any gateway reports of an endpoint, a provider model or a credential; null if none has reported. It reads
   * memory only.
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
  /** When the list was computed, in milliseconds since the epoch. */
  readonly atMs: number
  /** Worst first. */
  readonly problems: readonly OperationalProblem[]
}

export interface ProblemsPort {
  /** The current problems. Works without the database. Never rejects. */
  read(): Promise<ProblemList>
  /** Calls `listener` soon, and whenever the list may have changed, until the returned function is called. */
  watch(listener: (list: ProblemList) => void): Unsubscribe
}
