import type { BackendHealthReport } from '../../routing/health/backend-health.ts'
import type { LiveView } from '../../routing/choose/live-view.ts'
import type { CircuitState } from '../../routing/config/vocabulary.ts'
import type { GatewayRow } from '../../storage/gateway/write.ts'

/** The live state of this process's own gateway. */
export interface OwnLiveState extends LiveView {
  healthOf(id: string): BackendHealthReport | null
}

/** The live state over all gateways: this process's own as it is now, the others' as they last reported it. */
export interface LiveReports {
  readonly view: LiveView
  /** The worst of all gateways; null while none has reported. */
  health(id: string): BackendHealthReport | null
}

/** The live view of a process without a gateway: nothing is in flight or ejected. */
export const idleLiveState: OwnLiveState = {
  isHealthy: () => true,
  hasCapacity: () => true,
  inFlight: () => 0,
  inFlightEverywhere: () => 0,
  isOperationRefused: () => false,
  waiting: () => 0,
  retryAtMs: () => 0,
  ejectedAtMs: () => 0,
  healthOf: () => null,
}

/** Joins the own live state with the reports of the others; `others` is read at each question. */
export function createLiveReports(own: OwnLiveState, others: () => readonly GatewayRow[]): LiveReports {
  const isOpenElsewhere = (id: string) => others().some(({ health }) => isOpen(health[id]))
  const inFlight = (id: string) => own.inFlight(id) + inFlightElsewhere(others(), id)
  return {
    view: {
      isHealthy: (id) => own.isHealthy(id) && !isOpenElsewhere(id),
      hasCapacity: (id, maxInFlight) =>
        own.hasCapacity(id, maxInFlight) && (maxInFlight === null || inFlight(id) < maxInFlight),
      inFlight,
      inFlightEverywhere: inFlight,
      isOperationRefused: (id, operation) => own.isOperationRefused(id, operation),
      waiting: (id) => own.waiting(id),
      limitOf: (backend) => own.limitOf?.(backend) ?? null,
      retryAtMs: (id) => Math.max(own.retryAtMs(id), ...others().map(({ health }) => health[id]?.retryAtMs ?? 0)),
      ejectedAtMs: (id) => Math.max(own.ejectedAtMs(id), ...others().map(({ health }) => health[id]?.ejectedAtMs ?? 0)),
    },
    health(id) {
      const reports = [own.healthOf(id), ...others().map(({ health }) => health[id])]
      return reports.reduce<BackendHealthReport | null>((worst, report) => worseOf(worst, report ?? null), null)
    },
  }
}

/** Requests in flight at an endpoint or provider model in the other gateways, as they last reported. */
export function inFlightElsewhere(others: readonly GatewayRow[], id: string): number {
  let sum = 0
  for (const { endpoint_in_flight: inFlight } of others) sum += inFlight[id] ?? 0
  return sum
}

/** An open circuit that is due allows a trial request. A failing check is repeated every few seconds, but allows no requests. */
function isOpen(report: BackendHealthReport | undefined): boolean {
  if (report?.circuit !== 'OPEN') return false
  return report.cause === 'CHECK' || (report.retryAtMs ?? Infinity) > Date.now()
}

const badness: Readonly<Record<CircuitState, number>> = { CLOSED: 0, HALF_OPEN: 1, OPEN: 2 }

function worseOf(a: BackendHealthReport | null, b: BackendHealthReport | null): BackendHealthReport | null {
  if (!a || !b) return a ?? b
  const difference = badness[a.circuit] - badness[b.circuit] || a.consecutiveFailures - b.consecutiveFailures
  return difference >= 0 ? a : b
}
