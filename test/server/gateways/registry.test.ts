import { randomBytes } from 'node:crypto'
import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { createUser } from '../../../src/control/user/create.ts'
import { updateUser } from '../../../src/control/user/update.ts'
import type { ControlContext } from '../../../src/control/kit/context.ts'
import { type GatewayRegistry, openGatewayRegistry } from '../../../src/server/gateways/registry.ts'
import { createSnapshotStore } from '../../../src/server/following/snapshot-store.ts'
import { openConfigFollower } from '../../../src/server/following/follower.ts'
import { emptySnapshot } from '../../../src/routing/config/compile.ts'
import { openDatabase } from '../../../src/storage/database/database.ts'
import { createSecretBox } from '../../../src/storage/secret/box.ts'
import { deleteGateway, upsertGateway } from '../../../src/storage/gateway/write.ts'
import { openDatabaseProxy } from '../../support/database-proxy.ts'
import { administrator, openTestControl, type TestControl, valueOf } from '../../support/control.ts'
import { loseCommitsAfter } from '../../support/failover.ts'
import { until } from '../../support/until.ts'

const log = { error: () => undefined, warn: () => undefined }

const figures = () => ({ inFlight: 0, pendingUsageRecords: 0, health: {}, endpointInFlight: {} })

function openRegistry(id: string, { db }: Pick<ControlContext, 'db'>, store = createSnapshotStore()): GatewayRegistry {
  return openGatewayRegistry({
    id,
    role: 'all',
    build: 'test',
    db,
    store,
    box: createSecretBox([randomBytes(32)]),
    log,
  })
}

/** The commands of a process that has a gateway of its own. */
async function openProcess(control: TestControl, id: string) {
  const registry = openRegistry(id, control, control.snapshots)
  await registry.start(figures)
  return { registry, control: { ...control, propagation: registry.propagation } }
}

/** A gateway that serves nothing yet and says nothing more, last heard of so many seconds ago. */
async function addSilentGateway({ db }: Pick<ControlContext, 'db'>, id: string, seconds: number): Promise<void> {
  const at = new Date()
  await upsertGateway(db, {
    id,
    role: 'gateway',
    build: 'test',
    host: 'test',
    startedAt: at,
    appliedAt: at,
    applied: emptySnapshot,
    encryptionKeyIds: [],
    sealingKeyId: '',
    ...figures(),
  })
  await sql`update gateway set seen_at = clock_timestamp() - make_interval(secs => ${seconds}) where id = ${id}`.execute(
    db,
  )
}

test('a change is applied when the other gateway serves it, and the answer says so', async () => {
  await using control = await openTestControl()
  const own = await openProcess(control, 'gateway-own')
  await using _own = own.registry
  const store = createSnapshotStore()
  await using follower = openConfigFollower({ db: control.db, box: control.box, store, log })
  await using other = openRegistry('gateway-other', control, store)
  await follower.reload()
  await other.start(figures)

  const made = await createUser(own.control, administrator, { name: 'ada' })
  expect(made).toMatchObject({ ok: true, spread: { applied: true, pendingGateways: [] } })
  expect(store.current().version).toBe(made.version)
})

test('a lost gateway is told as pending, and nobody waits for it', async () => {
  await using control = await openTestControl()
  const own = await openProcess(control, 'gateway-own')
  await using _own = own.registry
  await addSilentGateway(control, 'gateway-lost', 4)

  const made = await createUser(own.control, administrator, { name: 'ada' })
  expect(made).toMatchObject({ ok: true, spread: { applied: false, pendingGateways: [{ id: 'gateway-lost' }] } })
  await deleteGateway(control.db, 'gateway-lost')
  const again = await createUser(own.control, administrator, { name: 'bob' })
  expect(again).toMatchObject({ ok: true, spread: { applied: true, pendingGateways: [] } })
})

test('a call that changes nothing waits for what it found, like one that changes something', async () => {
  await using control = await openTestControl()
  const first = valueOf(await createUser(control, administrator, { name: 'ada' }))
  const own = await openProcess(control, 'gateway-own')
  await using _own = own.registry
  await addSilentGateway(control, 'gateway-behind', 4)
  const same = await updateUser(own.control, administrator, { id: first, name: 'ada' })
  expect(same).toMatchObject({
    ok: true,
    version: control.snapshots.current().version,
    spread: { applied: false, pendingGateways: [{ id: 'gateway-behind' }] },
  })
})

test('what was committed is answered as committed, though the database goes away during the wait', async () => {
  await using control = await openTestControl()
  await using proxy = await openDatabaseProxy(control.url)
  await using database = openDatabase({ url: proxy.url, connectTimeoutMs: 200 })
  // Pending for ever, so that the wait is on when the database goes.
  await addSilentGateway(control, 'gateway-behind', -60)
  await using registry = openRegistry('gateway-own', { db: database.db }, control.snapshots)
  await registry.start(figures)
  let waits = 0
  const propagation = {
    ...registry.propagation,
    wait: (version: number, token: string | null) => {
      waits++
      return registry.propagation.wait(version, token)
    },
  }
  const answer = createUser({ ...control, propagation }, administrator, { name: 'ada' })
  await until(() => waits === 1)
  proxy.cut()
  expect(await answer).toMatchObject({
    ok: true,
    spread: { applied: false, pendingGateways: [{ id: 'gateway-behind' }] },
  })
  proxy.restore()
})

test('a change that a failover loses during the wait is not applied, though its number is served', async () => {
  await using control = await openTestControl()
  await createUser(control, administrator, { name: 'ada' })
  const own = await openProcess(control, 'gateway-own')
  await using _own = own.registry
  // Pending for ever, so that the wait is on when the database fails over.
  await addSilentGateway(control, 'gateway-behind', -60)
  await using follower = openConfigFollower({ db: control.db, box: control.box, store: control.snapshots, log })
  const { version } = control.snapshots.current()

  const answer = createUser(own.control, administrator, { name: 'lost' })
  await until(() => control.snapshots.current().version === version + 1)
  await loseCommitsAfter(control.db, version)
  for (const name of ['instead', 'more'])
    await createUser({ ...control, snapshots: createSnapshotStore() }, administrator, { name })
  await deleteGateway(control.db, 'gateway-behind')
  await follower.catchUp()
  expect(await answer).toMatchObject({ ok: true, version: version + 1, spread: { applied: false } })
  expect(control.snapshots.current().version).toBe(version + 2)
})

test('a process that serves what the database has lost serves what it has, at once', async () => {
  await using control = await openTestControl()
  await createUser(control, administrator, { name: 'ada' })
  const store = createSnapshotStore()
  await using follower = openConfigFollower({ db: control.db, box: control.box, store, log })
  await createUser(control, administrator, { name: 'lost' })
  await follower.reload()
  const served = store.current()

  // A failover that loses the last commit, and another change in its place: the same number, another token.
  await sql`delete from app_user where name = 'lost'`.execute(control.db)
  await loseCommitsAfter(control.db, served.version - 1)
  const elsewhere = { ...control, snapshots: createSnapshotStore() }
  const made = await createUser(elsewhere, administrator, { name: 'instead' })
  expect(made.version).toBe(served.version)

  await follower.catchUp()
  expect([...store.current().users.values()].map(({ name }) => name).toSorted()).toEqual(['ada', 'instead'])
  // And a process that commits on top of what was lost compiles from what there is.
  const next = await createUser(control, administrator, { name: 'next' })
  expect([...control.snapshots.current().users.values()].map(({ name }) => name).toSorted()).toEqual([
    'ada',
    'instead',
    'next',
  ])
  expect(next.version).toBe(served.version + 1)
})
