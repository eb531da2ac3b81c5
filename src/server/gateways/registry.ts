import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import DataLoader from 'dataloader'
import type { Propagator, VersionSpread } from '../../control/kit/context.ts'
import type { DatabaseContact } from '../../routing/problems/problem-facts.ts'
import type { VersionId } from '../../storage/config/history.ts'
import type { Db } from '../../storage/database/db.ts'
import {
  deleteGateway,
  type GatewayReport,
  type GatewayRow,
  type AnsweredVersion,
  isGateway,
  listProcesses,
  lookAtVersions,
  serves,
  updateApplied,
  upsertGateway,
} from '../../storage/gateway/write.ts'
import { HeartbeatContact } from '../heartbeat-contact.ts'
import { GatewayCount } from './census.ts'
import { getEncryptionKeyId } from '../../storage/secret/installation.ts'
import type { ProcessRole } from '../../storage/gateway/tables.ts'
import type { SecretBox } from '../../storage/secret/box.ts'
import type { SnapshotStore } from '../following/snapshot-store.ts'

/** The facts about this process's gateway that the registry does not know itself. */
export type GatewayFigures = Pick<
  GatewayReport,
  'inFlight' | 'pendingUsageRecords' | 'spoolId' | 'health' | 'endpointInFlight'
>

export interface GatewayRegistry extends AsyncDisposable {
  readonly id: string
  /** Live gateways, this one included; at least 1. */
  readonly gatewayCount: () => number
  /** Whether another process lives, with a gateway or without. */
  readonly hasPeers: () => boolean
  /** The reports of the other live gateways within the last seconds. */
  readonly others: () => readonly GatewayRow[]
  /** All gateways, this one included, as last read from the database. */
  readonly seen: () => readonly GatewayRow[]
  /** Whether the database answers the heartbeats. */
  readonly contact: () => DatabaseContact
  /** Starts the heartbeat: reports this gateway at once and then each second. An unreachable database is logged. */
  start(figures: () => GatewayFigures): Promise<void>
  readonly propagation: Propagator
  /** Another gateway has reported that it serves another version. */
  noticeApplied(): void
}

const heartbeatMs = 1_000
const waitLimitMs = 5_000
const waitStepMs = 100

/** Keeps this process's row among the gateways: what it serves and how it is, each second and after each change. */
export function openGatewayRegistry(options: {
  readonly id: string
  readonly role: ProcessRole
  readonly build: string
  /** A separate connection: a report that waits for a pooled connection would make this gateway look lost. */
  readonly db: Db
  readonly store: SnapshotStore
  /** Follows which encryption key new secrets are wrapped with. */
  readonly box: SecretBox
  /** Where the number of gateways outlives the process; omitted: it does not. */
  readonly countFile?: string
  readonly log: { warn(fields: object, message: string): void }
}): GatewayRegistry {
  const { id, role, build, db, store, box, log } = options
  const startedAt = new Date()
  const host = hostname()
  let appliedAt = startedAt
  let lastSeen: readonly GatewayRow[] = []
  let others: readonly GatewayRow[] = []
  let hasPeers = false
  const waiters = new Set<() => void>()
  const wakeWaiters = () => waiters.forEach((resolve) => resolve())

  const count = new GatewayCount(
    options.countFile ?? null,
    () => performance.now(),
    (error) => log.warn({ err: error }, 'the number of gateways could not be written down'),
  )

  const beat = async (figures: () => GatewayFigures) => {
    const encryptionKeyId = await getEncryptionKeyId(db)
    if (encryptionKeyId !== null) box.sealWith(encryptionKeyId)
    const keys = { encryptionKeyIds: box.keyIds, sealingKeyId: box.sealingKeyId }
    await upsertGateway(db, {
      id,
      role,
      build,
      host,
      startedAt,
      appliedAt,
      applied: store.current(),
      ...keys,
      ...figures(),
    })
    const processes = await listProcesses(db)
    hasPeers = processes.some((process) => process.id !== id && process.state === 'LIVE')
    lastSeen = processes.filter(isGateway)
    others = lastSeen.filter((gateway) => gateway.id !== id && gateway.state === 'LIVE')
    const lost = lastSeen.filter((gateway) => gateway.id !== id && gateway.state === 'LOST')
    count.tell({ live: others.length, lost: lost.length })
  }
  const contact = new HeartbeatContact()
  const reportFailure = (error: unknown) => log.warn({ err: error }, 'the gateway could not report to the database')
  let beating: Promise<void> | undefined
  let timer: NodeJS.Timeout | undefined
  const beatInTurn = (figures: () => GatewayFigures) => {
    beating ??= beat(figures)
      .then(contact.heard, (error: unknown) => {
        contact.failed(error)
        reportFailure(error)
      })
      .finally(() => (beating = undefined))
    return beating
  }
  // Reports are sent one after the other: on two connections an older one could arrive last.
  let telling = Promise.resolve()
  const tellApplied = async () => {
    const { version, token } = store.current()
    if (version === toldVersion?.version && token === toldVersion.token) return
    await updateApplied(db, id, { version, token })
    toldVersion = { version, token }
  }
  let toldVersion: VersionId | undefined
  const unsubscribe = store.subscribe(() => {
    appliedAt = new Date()
    wakeWaiters()
    // Alone, nobody waits for it, and the next heartbeat says it.
    if (timer && hasPeers) telling = telling.then(tellApplied).catch(reportFailure)
  })

  /** What the database says of all gateways, one look after the other; those who ask meanwhile share the next. */
  const looks = new DataLoader((versions: readonly AnsweredVersion[]) => look(versions), {
    cache: false,
    batchScheduleFn: (begin) => void looking.finally(begin),
  })
  let looking: Promise<unknown> = Promise.resolve()
  const look = (versions: readonly AnsweredVersion[]) => {
    const result = lookAtVersions(db, versions)
    looking = result.catch(() => undefined)
    return result
  }
  /** Serving the number is not enough: a failover may have lost the version, and another one have its number. */
  const spreadOf = async (answered: AnsweredVersion): Promise<VersionSpread & { readonly isSettled: boolean }> => {
    const { version } = answered
    const isServedHere = store.current().version >= version
    try {
      const { gateways, isKept } = await looks.load(answered)
      lastSeen = gateways
      const pending = gateways.filter((gateway) => (gateway.id === id ? !isServedHere : !serves(gateway, version)))
      // Who is lost may be gone for ever: that is told, and not waited for.
      const isSettled = !isKept || (isServedHere && pending.every(({ state }) => state === 'LOST'))
      return { applied: isKept && isServedHere && pending.length === 0, pendingGateways: pending, isSettled }
    } catch {
      // The database is unreachable, so it is unknown which gateways serve the version.
      const pending = lastSeen.filter((gateway) => gateway.id !== id && !serves(gateway, version))
      return { applied: false, pendingGateways: pending, isSettled: false }
    }
  }

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
    gatewayCount: () => count.current,
    others: () => others,
    hasPeers: () => hasPeers,
    seen: () => lastSeen,
    contact: contact.now,
    async start(figures) {
      timer = setInterval(() => void beatInTurn(figures), heartbeatMs)
      await beatInTurn(figures)
    },
    noticeApplied: wakeWaiters,
    propagation: {
      look: (version) => spreadOf({ version, token: null }),
      async wait(version, token) {
        const deadline = performance.now() + waitLimitMs
        for (;;) {
          const { isSettled, ...spread } = await spreadOf({ version, token })
          const leftMs = deadline - performance.now()
          if (isSettled || leftMs <= 0) return spread
          await nextNotice(leftMs)
        }
      },
    },
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
      unsubscribe()
      await beating
      await telling
      // If the database is unreachable, the row expires by its age.
      await Promise.race([deleteGateway(db, id).catch(reportFailure), sleep(1_000, undefined, { ref: false })])
    },
  }
}
