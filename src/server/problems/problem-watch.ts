import { setTimeout as sleep } from 'node:timers/promises'
import type { ProblemList, ProblemsPort } from '../../graphql/kit/ports.ts'
import type { LiveView } from '../../routing/choose/live-view.ts'
import { deriveProblems, rankProblems } from '../../routing/problems/derive-problems.ts'
import type { OperationalProblem, ProblemDraft } from '../../routing/problems/operational-problem.ts'
import type { DatabaseContact, FailingHealth, GatewayFact, ProblemFacts } from '../../routing/problems/problem-facts.ts'
import type { Snapshot } from '../../routing/config/snapshot.ts'
import type { GatewayTraffic } from '../../routing/traffic/report.ts'
import type { GatewayRow } from '../../storage/gateway/write.ts'
import { isAway } from '../../storage/database/is-away.ts'
import type { SnapshotStore } from '../following/snapshot-store.ts'
import { type RefreshedValue, refreshed } from './refreshed-value.ts'
import { noStoredFacts, type StoredFacts } from './stored-facts.ts'

export interface ProblemWatchOptions {
  readonly store: SnapshotStore
  readonly live: LiveView
  /** Over all gateways, by id. */
  readonly failing: () => ReadonlyMap<string, FailingHealth>
  /** The traffic of a window by route. */
  readonly readTraffic: (windowMs: number) => Promise<ReadonlyMap<string, readonly GatewayTraffic[]>>
  readonly contact: () => DatabaseContact
  /** All gateways as they were last seen. */
  readonly gateways: () => readonly GatewayRow[]
  /** The gateway of this process. */
  readonly gatewayId: string
  readonly readStored: () => Promise<StoredFacts>
  /** When objects were last changed, by id. */
  readonly readChangedAt: (ids: readonly string[]) => Promise<ReadonlyMap<string, number>>
  readonly log: { warn(fields: object, message: string): void }
}

/** The problems of the installation, derived on demand, and each second while there are subscribers. */
export interface ProblemWatch extends ProblemsPort, Disposable {}

const tickMs = 1_000
const trafficWindowMs = 60_000
/** Who asks again within so short a time gets the same answer. */
const freshForMs = 200
/** After this time without a read a problem may have ended and begun again. */
const rememberedForMs = 10_000
const maxChangedIds = 500

export function openProblemWatch(options: ProblemWatchOptions): ProblemWatch {
  const { store, contact, log } = options
  const canAsk = () => contact().unreachableSinceMs === null
  const onError = (error: unknown) => {
    if (!isAway(error)) log.warn({ err: error }, 'what is wrong could not be read')
  }
  const stored: RefreshedValue<StoredFacts> = refreshed(noStoredFacts, options.readStored, { canRead: canAsk, onError })
  const readTraffic = () => options.readTraffic(trafficWindowMs)
  const traffic = refreshed<ProblemFacts['traffic']>(new Map(), readTraffic, { canRead: () => true, onError })
  const changes = createChangeTimes(options.readChangedAt, canAsk)
  const listeners = new Set<(list: ProblemList) => void>()
  let latest: { readonly list: ProblemList; readonly snapshot: Snapshot; readonly atMs: number } | undefined
  let running: { readonly snapshot: Snapshot; readonly done: Promise<ProblemList> } | undefined
  let timer: NodeJS.Timeout | undefined

  const derive = async (snapshot: Snapshot): Promise<ProblemList> => {
    const isChanged = latest?.snapshot !== snapshot
    const [storedFacts, routes] = await Promise.all([stored.read(isChanged), traffic.read(isChanged)])
    const nowMs = Date.now()
    const drafts = deriveProblems(factsOf(options, snapshot, storedFacts, routes, nowMs))
    const changedAt = await changes.of(drafts, snapshot)
    const known = new Map(knownOf(latest).map(({ id, sinceMs }) => [id, sinceMs]))
    const problems = rankProblems(
      drafts,
      nowMs,
      (id) => changedAt.get(id),
      (id) => known.get(id),
    )
    const list = { atMs: nowMs, problems }
    latest = { list, snapshot, atMs: performance.now() }
    return list
  }
  const deriveNext = async (): Promise<ProblemList> => {
    const snapshot = store.current()
    if (latest?.snapshot === snapshot && performance.now() - latest.atMs < freshForMs) return latest.list
    // One that began before a change does not know of it.
    if (running && running.snapshot !== snapshot) await running.done.catch(() => undefined)
    running ??= { snapshot, done: derive(snapshot).finally(() => (running = undefined)) }
    return running.done
  }
  const read = () =>
    deriveNext().catch((error: unknown) => {
      log.warn({ err: error }, 'what is wrong could not be derived')
      return latest?.list ?? { atMs: Date.now(), problems: [] }
    })

  const schedule = (afterMs: number) => {
    clearTimeout(timer)
    timer = listeners.size > 0 ? setTimeout(() => void tick(), afterMs).unref() : undefined
  }
  const tick = async () => {
    const list = await read()
    for (const listener of listeners) listener(list)
    schedule(tickMs)
  }
  const unsubscribe = store.subscribe(() => {
    if (listeners.size > 0) schedule(0)
  })
  return {
    read,
    watch(listener) {
      // Wrapped: the same function may listen twice.
      const own = (list: ProblemList) => listener(list)
      listeners.add(own)
      const begin = async () => {
        const list = await read()
        if (listeners.has(own)) own(list)
      }
      void begin()
      if (timer === undefined) schedule(tickMs)
      return () => {
        listeners.delete(own)
      }
    },
    [Symbol.dispose]() {
      clearTimeout(timer)
      unsubscribe()
      listeners.clear()
    },
  }
}

function knownOf(
  latest: { readonly list: ProblemList; readonly atMs: number } | undefined,
): readonly OperationalProblem[] {
  return latest && performance.now() - latest.atMs < rememberedForMs ? latest.list.problems : []
}

function factsOf(
  options: ProblemWatchOptions,
  snapshot: Snapshot,
  stored: StoredFacts,
  traffic: ProblemFacts['traffic'],
  nowMs: number,
): ProblemFacts {
  const unpriced = [...stored.traffic].flatMap(([id, { unpricedSinceMs }]) =>
    unpricedSinceMs === null ? [] : [[id, unpricedSinceMs] as const],
  )
  return {
    nowMs,
    snapshot,
    live: options.live,
    failing: options.failing(),
    traffic,
    database: options.contact(),
    gateways: options.gateways().map((row) => gatewayFact(row, options.gatewayId, snapshot, stored)),
    delayedSpools: stored.delayedSpools,
    attempts: stored.attempts,
    warnings: stored.warnings,
    answeredAtMs: new Map([...stored.traffic].map(([id, { answeredAtMs }]) => [id, answeredAtMs ?? 0])),
    unpricedSinceMs: new Map(unpriced),
    reachedLimits: stored.reachedLimits,
    exhaustedBudgets: stored.exhaustedBudgets,
  }
}

function gatewayFact(
  row: GatewayRow,
  ownId: string,
  snapshot: Snapshot,
  { latest, nextCommits }: StoredFacts,
): GatewayFact {
  const appliedVersion = row.id === ownId ? snapshot.version : row.applied_version
  const isBehind = latest !== null && (appliedVersion < latest.version || !row.follows)
  return {
    id: row.id,
    host: row.host,
    isLost: row.state === 'LOST',
    seenAtMs: row.seen_at.getTime(),
    appliedVersion,
    behindSinceMs: isBehind ? (nextCommits.get(appliedVersion) ?? latest.committedAtMs) : null,
  }
}

/** Remembers when objects were changed, as long as the configuration stays the same. */
function createChangeTimes(read: ProblemWatchOptions['readChangedAt'], canAsk: () => boolean) {
  let known = new Map<string, number>()
  let knownOf: Snapshot | undefined
  return {
    async of(drafts: readonly ProblemDraft[], snapshot: Snapshot): Promise<ReadonlyMap<string, number>> {
      if (knownOf !== snapshot) known = new Map()
      knownOf = snapshot
      const readIds = [...new Set(drafts.flatMap(({ changedIds = [] }) => changedIds))].slice(0, maxChangedIds)
      const unknown = readIds.filter((id) => !known.has(id))
      if (unknown.length === 0 || !canAsk()) return known
      const answer = read(unknown).catch(() => new Map<string, number>())
      const found = await Promise.race([answer, sleep(1_000, new Map<string, number>(), { ref: false })])
      for (const [id, atMs] of found) known.set(id, atMs)
      return known
    },
  }
}
