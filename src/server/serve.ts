import { join } from 'node:path'
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Control } from '../control/control.ts'
import { ensureFirstAdministrator, type FirstAdministrator } from '../control/first-administrator.ts'
import { createTrafficCounters } from '../gateway/traffic/traffic-counters.ts'
import { type Gateway, openGateway } from '../gateway/gateway.ts'
import { timelyRecord } from '../gateway/spool/timely-record.ts'
import { getInstallation } from '../storage/installation.ts'
import { openApiListener } from './api-listener.ts'
import type { Config } from './config.ts'
import { type ConfigFollower, openConfigFollower } from './config-follower.ts'
import { followNotifications } from './follow-notifications.ts'
import { openGatewayRegistry } from './gateway-registry.ts'
import { urlOf, whyNotListening } from './http-listener.ts'
import { openSnapshotKeeper, readLastGoodSnapshot } from './last-good-snapshot.ts'
import { openKeyUse } from './key-use.ts'
import { createLiveReports, inFlightElsewhere } from './live-reports.ts'
import type { Log } from './log.ts'
import { createApiMetrics } from './metrics/api-metrics.ts'
import { createMetrics } from './metrics/metrics.ts'
import { createRequestMetrics } from './metrics/request-metrics.ts'
import { observedSink } from './observed-sink.ts'
import { migrateWhenReachable, openPersistence, type Persistence, whenUsable } from './persistence.ts'
import { createRequestFeed } from './request-feed.ts'
import { startRetention } from './retention.ts'
import { adoptEncryptionKey, rotateEncryptionKey } from './rotate-encryption-key.ts'
import { openSnapshotJudge, type SnapshotJudge } from './snapshot-judge.ts'
import { createSnapshotStore, type SnapshotStore } from './snapshot-store.ts'
import { readTrustedDocuments } from './trusted-documents.ts'
import { openTrafficHub } from './traffic-hub.ts'
import { openTracing } from './tracing/tracing.ts'
import { warnOfForbiddenUpstreams } from './forbidden-upstreams.ts'
import { createUpstreamPolicy, isLoopbackHost } from './upstream-policy.ts'
import { openUpstreamHttp } from './upstream-http.ts'
import { openUsage } from './usage.ts'

/** A gateway that knows a configuration waits no longer for its database to come with the latest one. */
const databasePatienceMs = 2_000

/** What is last said to the database at the end must not keep the process: it may hang. */
const lastWordsMs = 3_000

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

  const { trustedDocumentsDir } = config
  const trusted = trustedDocumentsDir === undefined ? undefined : await readTrustedDocuments(trustedDocumentsDir)

  // ── what is kept ──
  const persistence = opened.use(await openPersistence(config, log))
  const { db, url: databaseUrl } = persistence.database
  const store = createSnapshotStore()
  const judge: SnapshotJudge = opened.use(
    openSnapshotJudge({ maxStalenessMs: config.maxStalenessMs ?? null, look: () => follower.catchUp() }),
  )
  const follower: ConfigFollower = opened.use(
    openConfigFollower({ db, box: persistence.box, store, onHeard: judge.heard, log }),
  )
  // With a database of our own there is nothing to bridge: it starts with us.
  const isKnown = config.databaseUrl !== undefined && (await publishLastGoodSnapshot(config, persistence, store, log))
  opened.use(openSnapshotKeeper({ dataDir: config.dataDir, box: persistence.box, store, log }))

  // ── the data plane ──
  const gatewayId = `gateway-${randomUUID()}`
  const registry = opened.use(
    openGatewayRegistry({
      id: gatewayId,
      build: version,
      db,
      store,
      box: persistence.box,
      countFile: join(config.dataDir, 'gateway-count'),
      log,
    }),
  )
  const feed = createRequestFeed({ gatewayId, db, hasOthers: () => registry.others().length > 0, log })
  const usage = opened.use(openUsage({ ...config, db, onStored: feed.announce, log }))
  const keyUse = opened.use(openKeyUse({ db, log }))
  const counters = createTrafficCounters({ now: Date.now })
  const traffic = opened.use(
    openTrafficHub({
      gatewayId,
      db,
      store,
      counters,
      otherGatewayIds: () => registry.others().map(({ id }) => id),
      now: Date.now,
      log,
    }),
  )
  const tracing = opened.use(
    await openTracing(config.otlpEndpoint, { sampling: config.traceSampling, version, instanceId: gatewayId, log }),
  )
  const requestMetrics = createRequestMetrics({ snapshot: () => store.current() })
  const gateway: Gateway = opened.use(
    openGateway(
      {
        snapshot: store.current,
        judgeSnapshot: judge.judge,
        usage: observedSink(usage.spool, [requestMetrics.count, keyUse.observe, feed.observe], (record) =>
          timelyRecord(record, usage.spool.clock),
        ),
        traffic: counters,
        isAllowedAddress: policy.isAllowedAddress,
        gatewayCount: registry.gatewayCount,
        inFlightElsewhere: (id) => inFlightElsewhere(registry.others(), id),
        metrics: () => metrics.ofGateway(),
        tracer: tracing?.tracer,
        log,
      },
      {
        upstreamTransport: config.upstreamTransport,
        ...config.gateway,
        maxRequestBytes: config.maxRequestBytes,
        drainTimeoutMs: config.drainTimeoutMs,
        corsOrigins: config.corsOrigins,
        limits: bodyLimitsOf(config),
      },
    ),
  )

  const apiMetrics = createApiMetrics()
  const metrics = createMetrics({
    requests: requestMetrics,
    api: apiMetrics,
    gateway,
    snapshot: () => store.current(),
    spool: usage.spool,
    lostByAll: usage.lostByAll,
    pools: { serving: persistence.database, commands: persistence.commands, reads: persistence.reads },
    version,
    otherGateways: () => registry.others(),
  })

  // What waits for room at a backend must not wait for the next request to hear of more.
  opened.defer(store.subscribe(() => gateway.follow()))

  // ── the control plane ──
  const control: Control = {
    db: persistence.commands.db,
    box: persistence.box,
    snapshots: store,
    upstreams: policy,
    upstreamHttp: opened.use(openUpstreamHttp(policy)),
    propagation: registry.propagation,
  }
  // What needs the database comes when it is there; closed first, because it speaks of everything else.
  const online = opened.use(new AsyncDisposableStack())
  let isOnline = false
  // A gateway that serves already goes on trying, whatever is wrong: nobody else would make it current again.
  const untilUsable = <T>(step: () => Promise<T>) => whenUsable(step, log, { always: isKnown, signal })
  const goOnline = async () => {
    await untilUsable(() => migrateWhenReachable(databaseUrl, log, signal))
    const { isChanging } = await untilUsable(() => adoptEncryptionKey(db, persistence.box))
    cursorKey = (await untilUsable(() => getInstallation(db))).cursorKey
    // First of all: what is complete must not pass what was served without the database.
    await untilUsable(() => usage.start())
    await untilUsable(() => follower.reload())
    warnOfForbiddenUpstreams(store.current(), policy, log)
    online.use(followNotifications({ databaseUrl, follower, registry, feed, log }))
    await registry.start(() => ({
      inFlight: gateway.inFlight,
      pendingUsageRecords: usage.spool.state().pending,
      spoolId: usage.spool.id,
      health: gateway.live.healthReport(),
      endpointInFlight: gateway.live.inFlightReport(),
    }))
    if (isChanging) changeKeyIfAlone()
  }
  const changeKeyIfAlone = () => {
    if (registry.others().length > 0)
      return log.info(
        {},
        'the encryption key changes with the command rotate-encryption-key, once every process has the new one',
      )
    rotateEncryptionKey(db, persistence.box).then(
      (count) => log.info({ secrets: count }, 'secrets were wrapped with the current encryption key'),
      (error: unknown) =>
        log.warn({ err: error }, 'the encryption key could not be changed; run rotate-encryption-key'),
    )
    return undefined
  }
  const administer = async () => {
    await wentOnline
    const administrator = await untilUsable(() => ensureFirstAdministrator(control, config.adminKey ?? null))
    // Of several processes that start at once another one may have made the key.
    await follower.catchUp()
    isOnline = true
    online.use(startRetention({ db, retentionDays: config.retentionDays, log }))
    return administrator
  }
  let cursorKey: Buffer | undefined
  const wentOnline = goOnline()
  if (isKnown) {
    // What was good last may be old: a database that is there is asked before anybody is served by it.
    const patience = new AbortController()
    await Promise.race([
      wentOnline.catch((error: unknown) => log.error({ err: error }, 'the database cannot be used')),
      sleep(databasePatienceMs, undefined, { signal: patience.signal }).catch(() => undefined),
    ])
    patience.abort()
  } else await wentOnline
  const api = opened.use(
    await openApiListener({
      listen: config.api,
      control,
      reads: persistence.reads,
      live: {
        ...createLiveReports(gateway.live, registry.others),
        gatewayId,
        usageCompleteUntilMs: () => usage.spool.state().completeUntilMs,
        traffic,
        onSnapshot: store.subscribe,
        onRequest: feed.onRequest,
      },
      noteKeyUse: keyUse.note,
      cursorKey: () => cursorKey,
      trusted,
      costPerMinute: config.apiCostPerMinute,
      countOperation: apiMetrics.report,
      metrics: metrics.ofAll,
      metricsOpen: config.metricsOpen,
      whyNotReady: () => (isOnline ? undefined : 'the database cannot be reached'),
      log,
    }),
  )
  const address = await gateway.listen().catch((error: NodeJS.ErrnoException) => {
    throw whyNotListening(error, config.gateway, 'SIGNALBOX_GATEWAY')
  })
  // With both ports in hand: a start that fails for a port must not have made a key that nobody has seen.
  const firstAdministrator = administer()
  if (!isKnown) await firstAdministrator

  const stack = opened.move()
  return {
    apiUrl: api.url,
    gatewayUrl: urlOf(config.gateway.host, address.port),
    firstAdministrator,
    async drain() {
      await Promise.all([gateway.drain(), api.drain(config.drainTimeoutMs)])
    },
    async [Symbol.asyncDispose]() {
      const late = setTimeout(() => persistence.abandon(), lastWordsMs)
      await stack.disposeAsync().finally(() => clearTimeout(late))
    },
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

/** What is not set has the gateway's own default. */
function bodyLimitsOf({ maxBodyMemoryBytes, maxBodyDiskBytes }: Config) {
  return {
    ...(maxBodyMemoryBytes !== undefined && { maxHeldBytes: maxBodyMemoryBytes }),
    ...(maxBodyDiskBytes !== undefined && { maxSpooledBytes: maxBodyDiskBytes }),
  }
}
