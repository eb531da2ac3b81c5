import { type ControlContext, nobodyElse } from '../../control/kit/context.ts'
import { createAdministratorKey } from '../../control/user/first-administrator.ts'
import type { Config } from './config.ts'
import { openConfigFollower } from '../following/follower.ts'
import type { Log } from '../log/log.ts'
import { migrateWhenReachable, openPersistence } from '../database/persistence.ts'
import { createSnapshotStore } from '../following/snapshot-store.ts'
import { openUpstreamHttp } from '../upstream/http.ts'
import { createUpstreamPolicy } from '../upstream/policy.ts'

/**
 * Makes a new administrator's key for somebody who has lost theirs, and returns it. Works beside a running `serve`, whose
 * gateways know the key at once, and without one.
 */
export async function makeAdministratorKey(config: Config, log: Log): Promise<string> {
  await using persistence = await openPersistence(config, log, { joinRunning: true })
  const { database, box } = persistence
  await migrateWhenReachable(database.url, log)
  const store = createSnapshotStore()
  await using follower = openConfigFollower({ db: database.db, box, store, log })
  await follower.reload()
  const upstreams = createUpstreamPolicy({ allow: config.upstreamAllow, apiIsLoopback: false })
  await using upstreamHttp = openUpstreamHttp(upstreams)
  const control: ControlContext = {
    db: database.db,
    box,
    snapshots: store,
    upstreams,
    upstreamHttp,
    propagation: nobodyElse,
  }
  // Awaited here: what it works with is disposed on the way out.
  return await createAdministratorKey(control)
}
