import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import type { Config } from '../configuration/config.ts'
import { type ConfigFollower, openConfigFollower } from '../following/follower.ts'
import { type GatewayRegistry, openGatewayRegistry } from '../gateways/registry.ts'
import { openSnapshotKeeper, readLastGoodSnapshot } from '../following/last-good-snapshot.ts'
import type { Log } from '../log/log.ts'
import { openPersistence, type Persistence } from '../database/persistence.ts'
import { openSnapshotJudge, type SnapshotJudge } from '../following/snapshot-judge.ts'
import { createSnapshotStore, type SnapshotStore } from '../following/snapshot-store.ts'

/** What is kept: the database, the configuration that is followed in it, and this process's place among the processes. */
export interface Foundation extends AsyncDisposable {
  readonly gatewayId: string
  readonly persistence: Persistence
  readonly store: SnapshotStore
  readonly judge: SnapshotJudge
  readonly follower: ConfigFollower
  readonly registry: GatewayRegistry
  /** Whether a configuration from disk is served until the database is there. */
  readonly isKnown: boolean
}

/** Opens the database of the configuration, which may be unreachable, and what depends on it. Nothing is read yet. */
export async function openFoundation(
  config: Config,
  { version, log }: { readonly version: string; readonly log: Log },
): Promise<Foundation> {
  await using opened = new AsyncDisposableStack()
  const gatewayId = `gateway-${randomUUID()}`
  const { dataDir } = config
  const persistence = opened.use(await openPersistence(config, log))
  const { box, database } = persistence
  const { db } = database
  const store = createSnapshotStore()
  const judge: SnapshotJudge = opened.use(
    openSnapshotJudge({ maxStalenessMs: config.maxStalenessMs ?? null, look: () => follower.catchUp() }),
  )
  const follower: ConfigFollower = opened.use(openConfigFollower({ db, box, store, onHeard: judge.heard, log }))
  // With a database of our own there is nothing to bridge: it starts with us.
  const isKnown = config.databaseUrl !== undefined && (await publishLastGoodSnapshot(dataDir, persistence, store, log))
  opened.use(openSnapshotKeeper({ dataDir, box, store, log }))
  const countFile = join(dataDir, 'gateway-count')
  const registry = opened.use(
    openGatewayRegistry({ id: gatewayId, role: config.role, build: version, db, store, box, countFile, log }),
  )
  const owned = opened.move()
  return {
    gatewayId,
    persistence,
    store,
    judge,
    follower,
    registry,
    isKnown,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** Whether a stored snapshot was found: then the gateway serves it until the database is reachable. */
async function publishLastGoodSnapshot(
  dataDir: string,
  { box }: Persistence,
  store: SnapshotStore,
  log: Log,
): Promise<boolean> {
  const snapshot = await readLastGoodSnapshot(dataDir, box, log)
  if (snapshot) store.publish(snapshot)
  return snapshot !== undefined
}
