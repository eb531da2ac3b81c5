import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { actorOf, hashApiKey } from '../../../src/control/kit/actor.ts'
import { createApiKey } from '../../../src/control/api-key/create.ts'
import { revokeApiKey } from '../../../src/control/api-key/revoke.ts'
import { createAdministratorKey, ensureFirstAdministrator } from '../../../src/control/user/first-administrator.ts'
import { createUser } from '../../../src/control/user/create.ts'
import { removeUser } from '../../../src/control/user/delete.ts'
import { updateUser } from '../../../src/control/user/update.ts'
import { createSnapshotStore } from '../../../src/server/following/snapshot-store.ts'
import { apiKeyScopes } from '../../../src/routing/config/vocabulary.ts'
import {
  administrator,
  expectCompiledWhole,
  openTestControl,
  type TestControl,
  valueOf,
} from '../../support/control.ts'

const newKey = () => randomBytes(24).toString('base64url')

function scopesOf(control: TestControl, secret: string) {
  return actorOf(control.snapshots.current(), hashApiKey(secret), Date.now())?.scopes
}

const all = new Set(apiKeyScopes)

test('on an empty database a key is made once, of a user named admin, with all scopes', async () => {
  await using control = await openTestControl()
  const first = await ensureFirstAdministrator(control, null)
  if (first.kind !== 'made') throw new Error(first.kind)
  expect(scopesOf(control, first.secret)).toEqual(all)
  expect([...control.snapshots.current().users.values()]).toMatchObject([{ name: 'admin', role: 'ADMIN' }])
  expect(await ensureFirstAdministrator(control, null)).toEqual({ kind: 'existing' })
  const actors = await control.db.selectFrom('audit_entry').select('actor_id').distinct().execute()
  expect(actors).toEqual([{ actor_id: 'system:bootstrap' }])
  await expectCompiledWhole(control)
})

test('of several processes that start at once on an empty database one makes the key', async () => {
  await using control = await openTestControl()
  const processes = Array.from({ length: 6 }, () => ({ ...control, snapshots: createSnapshotStore() }))
  const kinds = await Promise.all(processes.map(async (each) => (await ensureFirstAdministrator(each, null)).kind))
  expect(kinds.toSorted()).toEqual(['existing', 'existing', 'existing', 'existing', 'existing', 'made'])
  const key = newKey()
  const given = await Promise.all(processes.map((each) => ensureFirstAdministrator(each, key)))
  expect(given).toEqual(processes.map(() => ({ kind: 'given' })))
  expect(await control.db.selectFrom('api_key').select('id').execute()).toHaveLength(2)
})

test('the key of the environment is good on every start, and its predecessor is not', async () => {
  await using control = await openTestControl()
  const [first, second] = [newKey(), newKey()]
  for (const key of [first, first, second, second])
    expect(await ensureFirstAdministrator(control, key)).toEqual({ kind: 'given' })
  expect([scopesOf(control, first), scopesOf(control, second)]).toEqual([undefined, all])
  // A process that still has the earlier one, e.g. in a rolling restart, does not bring it back.
  expect(await ensureFirstAdministrator(control, first)).toMatchObject({ kind: 'unusable' })
  expect([scopesOf(control, first), scopesOf(control, second)]).toEqual([undefined, all])
  // Without one in the environment nothing changes.
  expect(await ensureFirstAdministrator(control, null)).toEqual({ kind: 'existing' })
  expect(scopesOf(control, second)).toEqual(all)
  const rows = await control.db.selectFrom('api_key').select(['name', 'prefix']).execute()
  expect(JSON.stringify(rows)).not.toContain(first.slice(0, 4))
})

test('a key of the environment that was revoked, expired, or lost its administrator is not brought back', async () => {
  await using control = await openTestControl()
  const other = valueOf(await createUser(control, administrator, { name: 'other', role: 'ADMIN' }))
  const key = newKey()
  await ensureFirstAdministrator(control, key)
  // So that it is not the last one, which would stay.
  const root = valueOf(await createUser(control, administrator, { name: 'root', role: 'ADMIN' }))
  valueOf(await createApiKey(control, administrator, { name: 'root', ownerId: root, scopes: ['ADMIN'] }))
  const [row] = await control.db.selectFrom('api_key').selectAll().execute()
  // The owner is whoever administers already.
  expect(row?.owner_id).toBe(other)
  valueOf(await updateUser(control, administrator, { id: other, role: 'OPERATOR' }))
  expect(await ensureFirstAdministrator(control, key)).toMatchObject({ kind: 'unusable' })
  valueOf(await updateUser(control, administrator, { id: other, role: 'ADMIN', state: 'DISABLED' }))
  expect(await ensureFirstAdministrator(control, key)).toMatchObject({ kind: 'unusable' })
  valueOf(await updateUser(control, administrator, { id: other, state: 'ACTIVE' }))
  expect(await ensureFirstAdministrator(control, key)).toEqual({ kind: 'given' })
  valueOf(await revokeApiKey(control, administrator, { id: row!.id }))
  expect(await ensureFirstAdministrator(control, key)).toMatchObject({ kind: 'unusable' })
  expect(scopesOf(control, key)).toBeUndefined()
  valueOf(await removeUser(control, administrator, { id: other }))
  // Its row is gone with its owner, so it is as good as new.
  expect(await ensureFirstAdministrator(control, key)).toEqual({ kind: 'given' })
  const owners = await control.db.selectFrom('api_key').select('owner_id').execute()
  expect(owners).toEqual([{ owner_id: root }, { owner_id: root }])
})

test('create-key makes a key for an administrator, and the administrator too if there is none', async () => {
  await using control = await openTestControl()
  const secrets = await Promise.all([createAdministratorKey(control), createAdministratorKey(control)])
  for (const secret of secrets) expect(scopesOf(control, secret)).toEqual(all)
  expect(control.snapshots.current().users.size).toBe(1)
  await expectCompiledWhole(control)
})
