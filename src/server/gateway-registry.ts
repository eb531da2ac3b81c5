import { setTimeout as sleep } from 'node:timers/promises'
import type { Db } from '../storage/database.ts'
import {
  deleteGateway,
  type GatewayReport,
  type GatewayRow,
  isAppliedElsewhere,
  listLiveGateways,
  updateAppliedVersion,
  upsertGateway,
} from '../storage/gateway.ts'
import type { SnapshotStore } from './snapshot-store.ts'

/** What the gateway of this process says of itself, besides what the registry knows. */
export type GatewayFigures = Pick<GatewayReport, 'inFlight' | 'pendingUsageRecords' | 'health' | 'endpointInFlight'>

export interface GatewayRegistry extends AsyncDisposable {
  readonly id: string
  /** Live gateways, this one included; at least 1. */
  readonly gatewayCount: () => number
  /** What the other live gateways said of themselves within the last seconds. */
  readonly others: () => readonly GatewayRow[]
  /** From now on this gateway is live: it is reported at once, and each second. A database that is away is logged. */
  start(figures: () => GatewayFigures): Promise<void>
  /** Resolves when every live gateway serves the version at least, or after 5 s. */
  readonly waitUntilApplied: (version: number) => Promise<void>
  /** Another gateway said that it serves another version. */
  noticeApplied(): void
}

const heartbeatMs = 1_000
const waitLimitMs = 5_000
const waitStepMs = 100

/** Keeps this process's row among the gateways: what it serves and how it is, each second and after each change. */
export function openGatewayRegistry(options: {
  readonly id: string
  readonly build: string
  readonly db: Db
  readonly store: SnapshotStore
  readonly log: { warn(fields: object, message: string): void }
}): GatewayRegistry {
  const { id, build, db, store, log } = options
  const startedAt = new Date()
  let appliedAt = startedAt
  let others: readonly GatewayRow[] = []
  const waiters = new Set<() => void>()

  const beat = async (figures: () => GatewayFigures) => {
    await upsertGateway(db, {
      id,
      build,
      startedAt,
      appliedAt,
      appliedVersion: store.current().version,
      ...figures(),
    })
    others = (await listLiveGateways(db)).filter((gateway) => gateway.id !== id)
  }
  const reportFailure = (error: unknown) => log.warn({ err: error }, 'the gateway could not report to the database')
  let beating: Promise<void> | undefined
  let timer: NodeJS.Timeout | undefined
  const beatInTurn = (figures: () => GatewayFigures) => {
    beating ??= beat(figures)
      .catch(reportFailure)
      .finally(() => (beating = undefined))
    return beating
  }
  const unsubscribe = store.subscribe(({ version }) => {
    appliedAt = new Date()
    if (timer) updateAppliedVersion(db, id, version).catch(reportFailure)
  })

  const nextNotice = (limitMs: number) => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const step = setTimeout(resolve, Math.min(waitStepMs, limitMs))
    waiters.add(resolve)
    return promise.finally(() => {
      clearTimeout(step)
      waiters.delete(resolve)
    })
  }

  return {
    id,
    gatewayCount: () => others.length + 1,
    others: () => others,
    async start(figures) {
      timer = setInterval(() => void beatInTurn(figures), heartbeatMs)
      await beatInTurn(figures)
    },
    noticeApplied: () => waiters.forEach((resolve) => resolve()),
    async waitUntilApplied(version) {
      const deadline = performance.now() + waitLimitMs
      for (;;) {
        if (await isAppliedElsewhere(db, version, id)) return
        const leftMs = deadline - performance.now()
        if (leftMs <= 0) return
        await nextNotice(leftMs)
      }
    },
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
      unsubscribe()
      await beating
      // The database may be gone: the row then ages away.
      await Promise.race([deleteGateway(db, id).catch(reportFailure), sleep(1_000, undefined, { ref: false })])
    },
  }
}
