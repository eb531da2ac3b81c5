import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createDeployment } from '../../../src/control/deployment/create.ts'
import { removeDeployment } from '../../../src/control/deployment/delete.ts'
import { setRouteTraffic } from '../../../src/control/route/traffic.ts'
import { addRouteTarget } from '../../../src/control/route/targets.ts'
import { compileSnapshot } from '../../../src/routing/config/compile.ts'
import { configurationParts, joinConfiguration } from '../../../src/routing/config/join-configuration.ts'
import { openConfigFollower } from '../../../src/server/following/follower.ts'
import { noticeOf } from '../../../src/server/following/follow-notifications.ts'
import { openSnapshotKeeper, readLastGoodSnapshot } from '../../../src/server/following/last-good-snapshot.ts'
import { createSnapshotStore } from '../../../src/server/following/snapshot-store.ts'
import { loadConfiguration } from '../../../src/storage/config/load.ts'
import { openNotifications } from '../../../src/storage/database/notifications.ts'
import { createSecretBox } from '../../../src/storage/secret/box.ts'
import { administrator, contentOf, openTestControl } from '../../support/control.ts'
import { until } from '../../support/until.ts'

const silentLog = { error: () => undefined, warn: () => undefined, debug: () => undefined }

test('a change of one process is followed by another, and equals the whole compiled anew', async () => {
  await using control = await openTestControl()
  const { db, box } = control
  const store = createSnapshotStore()
  await using follower = openConfigFollower({ db, box, store, log: silentLog })
  await using _notifications = openNotifications({
    url: control.url,
    channels: ['signalbox_config'],
    onNotification: (_channel, payload) => follower.hear(noticeOf(payload)),
    onListening: () => follower.wake(),
    onBroken: () => undefined,
  })

  const first = await createDeployment(control, administrator, {
    name: 'first',
    endpoints: [{ url: 'http://10.0.0.1:8000/v1' }],
    secret: 'sk-0123456789',
  })
  const second = await createDeployment(control, administrator, {
    name: 'second',
    endpoints: [{ url: 'http://10.0.0.2:8000/v1' }],
    enableModelRoute: false,
  })
  if (!first.ok || !second.ok) throw new Error(JSON.stringify([first, second]))
  const route = { name: 'first' }
  const added = await addRouteTarget(control, administrator, {
    route,
    target: { backend: { deployment: 'second' }, weight: 200 },
  })
  expect(added).toMatchObject({ ok: true, version: 3 })
  const removed = await removeDeployment(control, administrator, { deployment: { name: 'second' } })
  expect(removed).toMatchObject({ ok: false, refusals: [{ code: 'IN_USE', usedByIds: [first.value.routeId] }] })
  const weights = [{ target: { deployment: 'second' }, weight: 1 }]
  expect(await setRouteTraffic(control, administrator, { route, weights })).toMatchObject({ ok: true, version: 4 })
  // The same again is no change.
  expect(await setRouteTraffic(control, administrator, { route, weights })).toMatchObject({ ok: true, version: 4 })

  await until(() => store.current().version === 4)
  const whole = compileSnapshot(await loadConfiguration(db, box))
  if (!whole.ok) throw new Error('it does not compile')
  expect(contentOf(store.current())).toEqual(contentOf(whole.snapshot))
  expect(contentOf(control.snapshots.current())).toEqual(contentOf(whole.snapshot))
  const again = compileSnapshot(joinConfiguration([...configurationParts(store.current())]))
  expect(again.ok && contentOf(again.snapshot)).toEqual(contentOf(whole.snapshot))
  expect(
    store
      .current()
      .routesByName.get('first')
      ?.targets.map((target) => target.weight),
  ).toEqual([0, 1])
})

test('the last good snapshot on disk is read with the same encryption key only, and shows no secret', async () => {
  await using control = await openTestControl()
  const { box } = control
  await using folder = await openTemporaryFolder()
  await using keeper = openSnapshotKeeper({ dataDir: folder.path, box, store: control.snapshots, log: silentLog })
  const endpoints = [{ url: 'http://10.0.0.1:8000/v1' }]
  await createDeployment(control, administrator, { name: 'first', endpoints, secret: 'sk-0123456789' })
  await keeper[Symbol.asyncDispose]()

  const read = await readLastGoodSnapshot(folder.path, box, silentLog)
  expect(read && contentOf(read)).toEqual(contentOf(control.snapshots.current()))
  expect(await readLastGoodSnapshot(folder.path, createSecretBox([randomBytes(32)]), silentLog)).toBeUndefined()
  expect((await readFile(join(folder.path, 'last-good-snapshot'))).includes('sk-0123456789')).toBe(false)
})

async function openTemporaryFolder(): Promise<AsyncDisposable & { path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'signalbox-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

test('a notice says which kinds were changed; those of earlier versions say less, and of later ones what is unknown is left out', () => {
  expect(noticeOf('7 token route,apiKey')).toEqual({ version: 7, token: 'token', kinds: ['route', 'apiKey'] })
  expect(noticeOf('7 token')).toEqual({ version: 7, token: 'token', kinds: [] })
  expect(noticeOf('7')).toEqual({ version: 7, token: '', kinds: [] })
  expect(noticeOf('7 token route,guild more')).toEqual({ version: 7, token: 'token', kinds: ['route'] })
})

test('a notice that names other kinds than those that were changed leaves nothing out', async () => {
  await using control = await openTestControl()
  const { db, box } = control
  const store = createSnapshotStore()
  await using follower = openConfigFollower({ db, box, store, log: silentLog })
  const endpoints = [{ url: 'http://10.0.0.1:8000/v1' }]
  await createDeployment(control, administrator, { name: 'first', endpoints })
  await follower.reload()
  await createDeployment(control, administrator, { name: 'second', endpoints })
  const { version, token } = control.snapshots.current()
  follower.hear({ version, token, kinds: ['route'] })
  await until(() => store.current().version === version)
  expect(contentOf(store.current())).toEqual(contentOf(control.snapshots.current()))
})

test('without notices a change is followed by the look of each second', async () => {
  await using control = await openTestControl()
  const { db, box } = control
  const store = createSnapshotStore()
  await using follower = openConfigFollower({ db, box, store, log: silentLog })
  await follower.reload()
  for (const name of ['first', 'second']) {
    await createDeployment(control, administrator, { name, endpoints: [{ url: 'http://10.0.0.1:8000/v1' }] })
    const { version } = control.snapshots.current()
    await until(() => store.current().version === version)
    expect(contentOf(store.current())).toEqual(contentOf(control.snapshots.current()))
  }
})
