import { setTimeout as sleep } from 'node:timers/promises'
import type { Config } from '../configuration/config.ts'
import { followNotifications } from '../following/follow-notifications.ts'
import { warnOfForbiddenUpstreams } from '../upstream/forbidden-upstreams.ts'
import type { GatewayFigures } from '../gateways/registry.ts'
import type { Log } from '../log/log.ts'
import { migrateWhenReachable, explainGrants, untilMigrated, whenUsable } from '../database/persistence.ts'
import { adoptEncryptionKey, changeKeyIfAlone, followEncryptionKey } from '../database/rotate-encryption-key.ts'
import { listMissingMigrations } from '../../storage/database/migrate.ts'
import type { UpstreamPolicy } from '../upstream/policy.ts'
import type { UsageMaintenance } from '../usage/maintenance.ts'
import type { DataPlane } from './data-plane.ts'
import type { Foundation } from './foundation.ts'
import type { ReportingServices } from './reporting.ts'

/** How long a gateway with a known configuration waits for its database before it serves that one. */
const databasePatienceMs = 2_000

/** The parts that need the database, started when it is reachable. */
export interface OnlineServices extends AsyncDisposable {
  /** Resolves when the database is prepared and followed; rejects if it cannot be used, or if `signal` ends the wait. */
  readonly done: Promise<void>
  /** Repeats a step until it succeeds, as long as the database may still become reachable. */
  readonly untilUsable: UntilUsable
}

type UntilUsable = <T>(step: () => Promise<T>) => Promise<T>

export interface OnlineOptions {
  readonly kept: Foundation
  readonly reporting: ReportingServices
  /** Null: this process has no gateway. */
  readonly dataPlane: DataPlane | null
  /** Null: another process looks after it. */
  readonly care: UsageMaintenance | null
  readonly policy: UpstreamPolicy
  readonly log: Log
  readonly signal: AbortSignal
}

/** Begins to prepare the database and to follow it, in the order of what needs what. */
export function goOnline(config: Config, options: OnlineOptions): OnlineServices {
  const { kept, reporting, dataPlane, care, policy, log, signal } = options
  const opened = new AsyncDisposableStack()
  const { persistence, store, follower, registry } = kept
  const { db, url: databaseUrl } = persistence.database
  // A gateway that already serves keeps trying after any error, because nothing else would make it current again.
  const { isEmbedded } = persistence
  const untilUsable: UntilUsable = (step) =>
    whenUsable(() => step().catch(explainGrants), log, { always: kept.isKnown, isEmbedded, signal })
  const run = async () => {
    const { isKeyChanging } = await prepare(config, options, untilUsable)
    // First of all: what is complete must not pass what was served without the database.
    if (dataPlane) await untilUsable(() => dataPlane.usage.start())
    if (care) await untilUsable(() => care.start())
    await untilUsable(() => follower.reload())
    warnOfForbiddenUpstreams(store.current(), policy, log)
    const notices = opened.use(followNotifications({ databaseUrl, follower, registry, feed: reporting.feed, log }))
    opened.defer(persistence.onServerLeft(() => notices.leave()))
    await registry.start(() => figuresOf(dataPlane))
    if (isKeyChanging) changeKeyIfAlone(db, persistence.box, registry.hasPeers(), log)
  }
  return { done: run(), untilUsable, [Symbol.asyncDispose]: () => opened.disposeAsync() }
}

/** Migrates, and settles with which key secrets are encrypted. A process that is only a gateway waits until another one has. */
async function prepare(
  { role }: Config,
  { kept, log, signal }: OnlineOptions,
  untilUsable: UntilUsable,
): Promise<{ readonly isKeyChanging: boolean }> {
  const { db, url } = kept.persistence.database
  const { box, isEmbedded } = kept.persistence
  if (role !== 'gateway') {
    await untilUsable(() => migrateWhenReachable(url, log, { signal, isEmbedded }))
    return { isKeyChanging: (await untilUsable(() => adoptEncryptionKey(db, box))).isChanging }
  }
  await untilMigrated(() => untilUsable(() => listMissingMigrations(db)), log, signal)
  await untilUsable(() => followEncryptionKey(db, box))
  return { isKeyChanging: false }
}

function figuresOf(dataPlane: DataPlane | null): GatewayFigures {
  if (!dataPlane) return { inFlight: 0, pendingUsageRecords: 0, health: {}, endpointInFlight: {} }
  const { gateway, usage } = dataPlane
  return {
    inFlight: gateway.inFlight,
    pendingUsageRecords: usage.spool.state().pending,
    spoolId: usage.spool.id,
    health: gateway.live.healthReport(),
    endpointInFlight: gateway.live.inFlightReport(),
  }
}

/** Loads a configuration to serve. The stored one may be old, so a reachable database is read first. Rejects if nothing can be served. */
export async function untilServable({ done }: OnlineServices, { isKnown }: Foundation, log: Log): Promise<void> {
  if (!isKnown) return done
  const patience = new AbortController()
  await Promise.race([
    done.catch((error: unknown) => log.error({ err: error }, 'the database cannot be used')),
    sleep(databasePatienceMs, undefined, { signal: patience.signal }).catch(() => undefined),
  ])
  patience.abort()
}
