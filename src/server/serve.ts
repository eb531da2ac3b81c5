import { randomUUID } from 'node:crypto'
import type { Control } from '../control/control.ts'
import { ensureFirstAdministrator, type FirstAdministrator } from '../control/first-administrator.ts'
import { type Gateway, openGateway } from '../gateway/gateway.ts'
import { openApiListener } from './api-listener.ts'
import type { Config } from './config.ts'
import { type ConfigFollower, openConfigFollower } from './config-follower.ts'
import { followNotifications } from './follow-notifications.ts'
import { openGatewayRegistry } from './gateway-registry.ts'
import { urlOf, whyNotListening } from './http-listener.ts'
import { openSnapshotKeeper, readLastGoodSnapshot } from './last-good-snapshot.ts'
import { createLiveReports } from './live-reports.ts'
import type { Log } from './log.ts'
import { migrateWhenReachable, openPersistence, type Persistence } from './persistence.ts'
import { createSnapshotStore, type SnapshotStore } from './snapshot-store.ts'
import { createUpstreamPolicy, isLoopbackHost } from './upstream-policy.ts'
import { openUpstreamHttp } from './upstream-http.ts'
import { openUsage } from './usage.ts'

/** The running product. Disposing ends it at once; `drain` before that loses no request. */
export interface Served extends AsyncDisposable {
  readonly apiUrl: string
  readonly gatewayUrl: string
  /** What the start did about the administrator's key; comes late if the database does. */
  readonly firstAdministrator: Promise<FirstAdministrator>
  /** Readiness goes off, nothing new is taken, and what is in flight ends, at the latest after the configured time. */
  drain(): Promise<void>
}

export interface ServeOptions {
  readonly version: string
  /** Ends the wait for a database that is away. */
  readonly signal: AbortSignal
}

/**
 * Opens everything, from the database to the two listeners, in the order of their needs; what was opened is closed in the
 * opposite order, also if a later step fails. Throws `StartError` with what to do if it cannot start.
 */
export async function serve(config: Config, log: Log, { version, signal }: ServeOptions): Promise<Served> {
  await using opened = new AsyncDisposableStack()
  const policy = createUpstreamPolicy({ allow: config.upstreamAllow, apiIsLoopback: isLoopbackHost(config.api.host) })

  // ── what is kept ──
  const persistence = opened.use(await openPersistence(config, log))
  const { db, url: databaseUrl } = persistence.database
  const store = createSnapshotStore()
  const follower = opened.use(openConfigFollower({ db, box: persistence.box, store, log }))
  // With a database of our own there is nothing to bridge: it starts with us.
  const isKnown = config.databaseUrl !== undefined && (await publishLastGoodSnapshot(config, persistence, store, log))
  opened.use(openSnapshotKeeper({ dataDir: config.dataDir, box: persistence.box, store, log }))

  // ── the data plane ──
  const gatewayId = `gateway-${randomUUID()}`
  const usage = opened.use(await openUsage({ config, db, gatewayId, store, log }))
  const gateway: Gateway = opened.use(
    openGateway(
      {
        snapshot: store.current,
        usage: usage.sink,
        traffic: usage.counters,
        isAllowedAddress: policy.isAllowedAddress,
        gatewayCount: () => registry.gatewayCount(),
        log,
      },
      { ...config.gateway, maxRequestBytes: config.maxRequestBytes, drainTimeoutMs: config.drainTimeoutMs },
    ),
  )
  const registry = opened.use(
    await openGatewayRegistry({
      id: gatewayId,
      build: version,
      db,
      store,
      log,
      figures: () => ({
        inFlight: gateway.inFlight,
        pendingUsageRecords: usage.pendingRecords(),
        health: gateway.live.healthReport(),
        endpointInFlight: gateway.live.inFlightReport(),
      }),
    }),
  )
  opened.use(followNotifications({ databaseUrl, follower, registry, log }))

  // ── the control plane ──
  const control: Control = {
    db,
    box: persistence.box,
    snapshots: store,
    upstreams: policy,
    upstreamHttp: opened.use(openUpstreamHttp(policy)),
    waitUntilApplied: registry.waitUntilApplied,
  }
  let isPrepared = false
  const firstAdministrator = prepareDatabase({ config, control, databaseUrl, follower, log, signal }).finally(
    () => (isPrepared = true),
  )
  if (isKnown) firstAdministrator.catch((error: unknown) => log.error({ err: error }, 'the database cannot be used'))
  else await firstAdministrator
  const api = opened.use(
    await openApiListener({
      listen: config.api,
      control,
      live: {
        ...createLiveReports(gateway.live, registry.others),
        gatewayId,
        traffic: usage.traffic,
        onSnapshot: store.subscribe,
      },
      metrics: usage.metrics,
      cursorKey: persistence.deriveKey('cursors'),
      whyNotReady: () => (isPrepared ? undefined : 'the database cannot be reached'),
      log,
    }),
  )
  const address = await gateway.listen().catch((error: NodeJS.ErrnoException) => {
    throw whyNotListening(error, config.gateway, 'SIGNALBOX_GATEWAY')
  })

  const stack = opened.move()
  return {
    apiUrl: api.url,
    gatewayUrl: urlOf(config.gateway.host, address.port),
    firstAdministrator,
    async drain() {
      await Promise.all([gateway.drain(), api.drain(config.drainTimeoutMs)])
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

/** Whether there was one: then the gateway serves it until the database is there. */
async function publishLastGoodSnapshot(
  config: Config,
  { box }: Persistence,
  store: SnapshotStore,
  log: Log,
): Promise<boolean> {
  const snapshot = await readLastGoodSnapshot(config.dataDir, box, log)
  if (snapshot) store.publish(snapshot)
  return snapshot !== undefined
}

/** Brings the database to what this version needs, loads the configuration, and sees to it that somebody can administer. */
async function prepareDatabase(options: {
  readonly config: Config
  readonly control: Control
  readonly databaseUrl: string
  readonly follower: ConfigFollower
  readonly log: Log
  readonly signal: AbortSignal
}): Promise<FirstAdministrator> {
  const { config, control, databaseUrl, follower, log, signal } = options
  await migrateWhenReachable(databaseUrl, log, signal)
  await follower.reload()
  return ensureFirstAdministrator(control, config.adminKey ?? null)
}
