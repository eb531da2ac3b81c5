import { listChangedAt } from '../../storage/problem/changed-at.ts'
import type { LiveReports } from '../gateways/live-reports.ts'
import type { Log } from '../log/log.ts'
import { joinFailing } from '../problems/failing-health.ts'
import { openProblemWatch, type ProblemWatch } from '../problems/problem-watch.ts'
import { createStoredFactsReader } from '../problems/stored-facts.ts'
import type { UpstreamPolicy } from '../upstream/policy.ts'
import type { DataPlane } from './data-plane.ts'
import type { Foundation } from './foundation.ts'
import type { ReportingServices } from './reporting.ts'

/** Joins all sources of problems. Nothing is read before a caller asks. */
export function openProblems(
  parts: {
    readonly kept: Foundation
    readonly reporting: ReportingServices
    readonly dataPlane: DataPlane | null
    readonly policy: UpstreamPolicy
    readonly log: Log
  },
  { view }: Pick<LiveReports, 'view'>,
): ProblemWatch {
  const { kept, reporting, dataPlane, policy, log } = parts
  const { gatewayId, store, registry } = kept
  const { db } = kept.persistence.reads
  const ownHealth = () => (dataPlane ? dataPlane.gateway.live.healthReport() : {})
  return openProblemWatch({
    store,
    live: view,
    failing: () => joinFailing([ownHealth(), ...registry.others().map(({ health }) => health)]),
    readTraffic: (windowMs) => reporting.traffic.recent(windowMs),
    contact: registry.contact,
    gateways: registry.seen,
    gatewayId,
    readStored: createStoredFactsReader({
      db,
      snapshot: store.current,
      upstreams: policy,
      servedVersions: () => registry.seen().map((row) => row.applied_version),
    }),
    readChangedAt: (ids) => listChangedAt(db, ids),
    log,
  })
}
