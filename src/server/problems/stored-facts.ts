import { deploymentWarnings, unsafeUrl } from '../../control/deployment/warnings.ts'
import type { UrlPolicy } from '../../control/kit/context.ts'
import { maxModels, unpricedModelIds } from '../../routing/problems/price-problems.ts'
import type {
  BackendFault,
  DelayedSpool,
  ExhaustedBudget,
  ReachedLimit,
  RecentAttempts,
} from '../../routing/problems/problem-facts.ts'
import type { Backend, DeploymentBackend, Snapshot } from '../../routing/config/snapshot.ts'
import { getConfigVersion } from '../../storage/change/version.ts'
import type { Db } from '../../storage/database/db.ts'
import type { DeploymentProbeRow } from '../../storage/deployment/probe.ts'
import { type BackendTraffic, listBackendTraffic } from '../../storage/problem/backend-traffic.ts'
import { listDelayedSpools } from '../../storage/problem/delayed-usage.ts'
import { listNextCommits } from '../../storage/problem/next-commits.ts'
import { listReachedLimits } from '../../storage/problem/reached-limits.ts'
import { listRecentAttempts } from '../../storage/problem/recent-attempts.ts'
import { listSuspectProbes, readProbesMark } from '../../storage/problem/suspect-probes.ts'
import { createExhaustedBudgetsReader } from './exhausted-budgets.ts'

/** The facts about problems in the database, as last read. */
export interface StoredFacts {
  readonly attempts: ReadonlyMap<string, RecentAttempts>
  readonly delayedSpools: readonly DelayedSpool[]
  /** The latest committed version; null: it was not read yet. */
  readonly latest: { readonly version: number; readonly committedAtMs: number } | null
  /** When the first change was committed that is not in a version which some gateway serves. */
  readonly nextCommits: ReadonlyMap<number, number>
  readonly warnings: readonly BackendFault[]
  readonly traffic: ReadonlyMap<string, BackendTraffic>
  readonly reachedLimits: readonly ReachedLimit[]
  readonly exhaustedBudgets: readonly ExhaustedBudget[]
}

export const noStoredFacts: StoredFacts = {
  attempts: new Map(),
  delayedSpools: [],
  latest: null,
  nextCommits: new Map(),
  warnings: [],
  traffic: new Map(),
  reachedLimits: [],
  exhaustedBudgets: [],
}

/** Usage is in the database about a second after its request, and a moment later while the database is busy. */
const usageDelayMs = 15_000
/** Sums by the hour need no closer look. */
const trafficEveryMs = 10_000

/** Reads the facts with a few statements whose number does not grow with the configuration; large results only when they changed. */
export function createStoredFactsReader(options: {
  readonly db: Db
  readonly snapshot: () => Snapshot
  readonly upstreams: UrlPolicy
  /** Versions that gateways serve. */
  readonly servedVersions: () => readonly number[]
}): () => Promise<StoredFacts> {
  const { db, snapshot, upstreams, servedVersions } = options
  let probes: { mark: string; backends: Snapshot['backends']; rows: readonly DeploymentProbeRow[] } | undefined
  let warned: { key: unknown; backends: Snapshot['backends']; warnings: readonly BackendFault[] } | undefined
  let traffic: { readAtMs: number; ids: string; rows: ReadonlyMap<string, BackendTraffic> } | undefined

  const readBudgets = createExhaustedBudgetsReader(db, () => snapshot().limits.budgets.values())

  const readProbes = async (backends: Snapshot['backends']) => {
    const mark = await readProbesMark(db)
    if (probes?.mark !== mark || probes.backends !== backends)
      probes = { mark, backends, rows: await listSuspectProbes(db) }
    return probes.rows
  }
  const readWarnings = async ({ backends }: Snapshot) => {
    const rows = await readProbes(backends)
    if (warned?.key !== rows || warned.backends !== backends)
      warned = { key: rows, backends, warnings: listWarnings(backends, rows, upstreams) }
    return warned.warnings
  }
  const readTraffic = async (ids: readonly string[]) => {
    const [nowMs, key] = [performance.now(), ids.join()]
    if (!traffic || traffic.ids !== key || nowMs - traffic.readAtMs > trafficEveryMs)
      traffic = { readAtMs: nowMs, ids: key, rows: await listBackendTraffic(db, ids) }
    return traffic.rows
  }
  return async () => {
    const served = snapshot()
    const { version, committed_at: committedAt } = await getConfigVersion(db)
    const behind = [...new Set(servedVersions())].filter((one) => one < version)
    const nextCommits = await listNextCommits(db, behind)
    const [attempts, delayedSpools] = [
      await listRecentAttempts(db, Date.now()),
      await listDelayedSpools(db, usageDelayMs),
    ]
    const warnings = await readWarnings(served)
    const backendIds = new Set([...unpricedModelIds(served, maxModels), ...warnings.map(({ backendId }) => backendId)])
    const latest = { version, committedAtMs: committedAt.getTime() }
    const reachedLimits = served.limits.rateLimits.size > 0 ? await listReachedLimits(db) : []
    const exhaustedBudgets = await readBudgets()
    const used = await readTraffic([...backendIds].sort())
    return { attempts, delayedSpools, latest, nextCommits, warnings, traffic: used, reachedLimits, exhaustedBudgets }
  }
}

/** Warnings from the stored probes and from the current settings of this installation, which may have changed since. */
function listWarnings(
  backends: Snapshot['backends'],
  rows: readonly DeploymentProbeRow[],
  upstreams: UrlPolicy,
): BackendFault[] {
  const probeOf = new Map(rows.map((row) => [row.deployment_id, row]))
  return [...backends.values()].flatMap((backend) => {
    const probe = probeOf.get(backend.id)
    return backend.kind === 'deployment' && probe
      ? probeFaults(backend, probe, upstreams)
      : forbiddenAddresses(backend, upstreams)
  })
}

function probeFaults(backend: DeploymentBackend, probe: DeploymentProbeRow, upstreams: UrlPolicy): BackendFault[] {
  const { id, upstreamModel, endpoints } = backend
  return deploymentWarnings(upstreams, upstreamModel, endpoints, probe.answers).map(({ code, message }) => ({
    backendId: id,
    code,
    message,
    atMs: code === 'UNSAFE_URL' ? null : probe.at.getTime(),
  }))
}

/** Backends are replaced, never changed: each is looked at once. */
const forbidden = new WeakMap<Backend, readonly BackendFault[]>()

function forbiddenAddresses(backend: Backend, upstreams: UrlPolicy): readonly BackendFault[] {
  const known = forbidden.get(backend)
  if (known) return known
  const faults = addressesOf(backend).flatMap((url) => {
    const unsafe = unsafeUrl(upstreams, url, null)
    return unsafe ? [{ backendId: backend.id, code: unsafe.code, message: unsafe.message, atMs: null }] : []
  })
  forbidden.set(backend, faults)
  return faults
}

function addressesOf(backend: Backend): string[] {
  if (backend.kind === 'deployment') return backend.endpoints.map(({ url }) => url)
  const { baseUrl, proxyUrl } = backend.provider
  return proxyUrl === null ? [baseUrl] : [baseUrl, proxyUrl]
}
