import { setTimeout as sleep } from 'node:timers/promises'
import { followNotifications } from '../following/follow-notifications.ts'
import { warnOfForbiddenUpstreams } from '../upstream/forbidden-upstreams.ts'
import type { GatewayFigures } from '../gateways/registry.ts'
import type { Log } from '../log/log.ts'
import { migrateWhenReachable, whenUsable } from '../database/persistence.ts'
import { adoptEncryptionKey, changeKeyIfAlone } from '../database/rotate-encryption-key.ts'
import type { UpstreamPolicy } from '../upstream/policy.ts'
import type { DataPlane } from './data-plane.ts'
import type { Kept } from './kept.ts'
import type { Reporting } from './reporting.ts'

/** A gateway that knows a configuration waits no longer for its database to come with the latest one. */
const databasePatienceMs = 2_000

/** What needs the database, and comes when the database is there. */
export interface Online extends AsyncDisposable {
  /** Resolves when the database is prepared and followed; rejects if it cannot be used, or if `signal` ends the wait. */
  readonly done: Promise<void>
  /** Repeats a step until the database takes it, as long as it may still come. */
  readonly untilUsable: <T>(step: () => Promise<T>) => Promise<T>
}

export interface OnlineOptions {
  readonly kept: Kept
  readonly reporting: Reporting
  readonly dataPlane: DataPlane
  readonly policy: UpstreamPolicy
  readonly log: Log
  readonly signal: AbortSignal
}

/** Begins to prepare the database and to follow it, in the order of what needs what. */
export function goOnline({ kept, reporting, dataPlane, policy, log, signal }: OnlineOptions): Online {
  const opened = new AsyncDisposableStack()
  const { persistence, store, follower, registry } = kept
  const { db, url: databaseUrl } = persistence.database
  // A gateway that serves already goes on trying, whatever is wrong: nobody else would make it current again.
  const { isEmbedded } = persistence
  const untilUsable = <T>(step: () => Promise<T>) => whenUsable(step, log, { always: kept.isKnown, isEmbedded, signal })
  const run = async () => {
    await untilUsable(() => migrateWhenReachable(databaseUrl, log, { signal, isEmbedded }))
    const { isChanging } = await untilUsable(() => adoptEncryptionKey(db, persistence.box))
    // First of all: what is complete must not pass what was served without the database.
    await untilUsable(() => dataPlane.usage.start())
    await untilUsable(() => follower.reload())
    warnOfForbiddenUpstreams(store.current(), policy, log)
    const notices = opened.use(followNotifications({ databaseUrl, follower, registry, feed: reporting.feed, log }))
    opened.defer(persistence.onServerLeft(() => notices.leave()))
    await registry.start(() => figuresOf(dataPlane))
    if (isChanging) changeKeyIfAlone(db, persistence.box, registry.others(), log)
  }
  return { done: run(), untilUsable, [Symbol.asyncDispose]: () => opened.disposeAsync() }
}

function figuresOf({ gateway, usage }: DataPlane): GatewayFigures {
  return {
    inFlight: gateway.inFlight,
    pendingUsageRecords: usage.spool.state().pending,
    spoolId: usage.spool.id,
    health: gateway.live.healthReport(),
    endpointInFlight: gateway.live.inFlightReport(),
  }
}

/** What was good last may be old: a database that is there is asked before anybody is served by it. Rejects if nothing can be served. */
export async function untilServable({ done }: Online, { isKnown }: Kept, log: Log): Promise<void> {
  if (!isKnown) return done
  const patience = new AbortController()
  await Promise.race([
    done.catch((error: unknown) => log.error({ err: error }, 'the database cannot be used')),
    sleep(databasePatienceMs, undefined, { signal: patience.signal }).catch(() => undefined),
  ])
  patience.abort()
}
