/** What a subscriber to changes of the configuration is told when the database loses some of them. */
import { createClient } from 'graphql-sse'
import { afterAll, beforeEach, expect, test } from 'vitest'
import { createUser } from '../../../src/control/user/create.ts'
import { openConfigFollower } from '../../../src/server/following/follower.ts'
import { createSnapshotStore } from '../../../src/server/following/snapshot-store.ts'
import { administrator, valueOf } from '../../support/control.ts'
import { loseCommitsAfter } from '../../support/failover.ts'
import { openTestApi, type TestApi } from '../support/open-api.ts'

interface Change {
  readonly version: number
  readonly token: string
  readonly resync: boolean
  readonly changed: readonly { readonly id: string }[]
}

let opened = new AsyncDisposableStack()
let api: TestApi
let follow: () => Promise<void>

beforeEach(async () => {
  await opened.disposeAsync()
  opened = new AsyncDisposableStack()
  api = opened.use(await openTestApi())
  const { db, box, snapshots: store } = api.control
  const log = { error: () => undefined }
  const follower = opened.use(openConfigFollower({ db, box, store, log }))
  follow = () => follower.catchUp()
})
afterAll(() => opened.disposeAsync())

const commit = async (name: string) => {
  const answer = await createUser(api.control, administrator, { name })
  return { id: valueOf(answer), version: answer.version }
}
/** By another process, which serves what the database has now. */
const commitElsewhere = async (name: string) => {
  const answer = await createUser({ ...api.control, snapshots: createSnapshotStore() }, administrator, { name })
  return { id: valueOf(answer), version: answer.version }
}

async function watch(since?: Pick<Change, 'version' | 'token'>) {
  const client = createClient({
    url: `${api.url}/graphql`,
    headers: { authorization: `Bearer ${api.adminKey}` },
    retryAttempts: 0,
  })
  const events = client.iterate<{ configChanged: Change }>({
    query: `subscription ($since: SafeInt, $token: String) {
      configChanged(since: $since, sinceToken: $token) { version token resync changed { id } }
    }`,
    variables: { since: since?.version, token: since?.token },
  })
  opened.defer(async () => void (await events.return?.()))
  return async () => {
    const { value } = await events.next()
    if (!value?.data) throw new Error(JSON.stringify(value?.errors))
    return value.data.configChanged
  }
}

test('a subscriber is told that the database has gone back to a lower version, and then each change after it', async () => {
  const kept = await commit('kept')
  const next = await watch()
  expect(await next()).toMatchObject({ version: kept.version, resync: false, changed: [] })
  const lost = [await commit('lost'), await commit('lost, too')]
  for (const { id, version } of lost) expect(await next()).toMatchObject({ version, resync: false, changed: [{ id }] })

  await loseCommitsAfter(api.control.db, kept.version)
  await follow()
  expect(await next()).toMatchObject({ version: kept.version, resync: true, changed: [] })
  for (const name of ['instead', 'instead, too', 'more']) {
    const { id, version } = await commit(name)
    expect(await next()).toMatchObject({ version, resync: false, changed: [{ id }] })
  }
})

test.each([
  ['the same', 0],
  ['a higher', 2],
])('a database that has lost a version and made %s one instead is told', async (_which, further) => {
  const kept = await commit('kept')
  const next = await watch()
  await next()
  const lost = await commit('lost')
  const told = await next()
  expect(told).toMatchObject({ version: lost.version, resync: false })

  await loseCommitsAfter(api.control.db, kept.version)
  let latest = await commitElsewhere('instead')
  for (let i = 0; i < further; i++) latest = await commitElsewhere(`more ${i}`)
  await follow()
  const now = await next()
  expect(now).toMatchObject({ version: lost.version + further, resync: true, changed: [] })
  expect(now.token).not.toBe(told.token)
  const after = await commit('after')
  expect(await next()).toMatchObject({ version: latest.version + 1, changed: [{ id: after.id }] })
})

test('a slow subscriber is told the loss after what was read before it', async () => {
  const kept = await commit('kept')
  const next = await watch(await (await watch())())
  const lost = [await commit('lost'), await commit('lost, too')]
  expect(await next()).toMatchObject({ version: lost[0]!.version })
  await loseCommitsAfter(api.control.db, kept.version)
  await follow()
  let event = await next()
  if (!event.resync) event = await next()
  expect(event).toMatchObject({ version: kept.version, resync: true })
})

test('who comes back with the token of a lost version is told so, and one who comes back with a kept one misses nothing', async () => {
  const first = await watch()
  const before = await first()
  await commit('lost')
  const lost = await first()
  await loseCommitsAfter(api.control.db, before.version)

  const whileLower = await (await watch(lost))()
  expect(whileLower).toMatchObject({ version: before.version, token: before.token, resync: true })
  const instead = await commitElsewhere('instead')
  expect(await (await watch(lost))()).toMatchObject({ version: lost.version, resync: true, changed: [] })
  expect(await (await watch(before))()).toMatchObject({
    version: instead.version,
    resync: false,
    changed: [instead].map(({ id }) => ({ id })),
  })
})
