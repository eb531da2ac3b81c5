import { expect, test } from 'vitest'
import { createApiKey } from '../../../src/control/api-key/create.ts'
import { createDeployment } from '../../../src/control/deployment/create.ts'
import { setRouteAccess } from '../../../src/control/route/access.ts'
import { createUser } from '../../../src/control/user/create.ts'
import { removeUser } from '../../../src/control/user/delete.ts'
import { updateUser } from '../../../src/control/user/update.ts'
import { authenticate } from '../../../src/routing/access/authorise.ts'
import { hashApiKey } from '../../../src/control/kit/actor.ts'
import {
  administrator,
  expectCompiledWhole,
  openTestControl,
  refusalOf,
  type TestControl,
  valueOf,
} from '../../support/control.ts'

async function makeUser(control: TestControl, name: string, role: 'ADMIN' | 'OPERATOR' | 'MEMBER' = 'MEMBER') {
  return valueOf(await createUser(control, administrator, { name, role }))
}

async function makeKey(control: TestControl, ownerId: string) {
  const made = valueOf(await createApiKey(control, administrator, { name: 'k', ownerId }))
  return { id: made.apiKeyId, hash: hashApiKey(made.secret!) }
}

function status(control: TestControl, hash: string): number {
  const caller = authenticate(control.snapshots.current(), hash, Date.now())
  return 'status' in caller ? caller.status : 200
}

test('a user is made, renamed and given another role, each a revision and a version', async () => {
  await using control = await openTestControl()
  const id = valueOf(await createUser(control, administrator, { name: 'ada' }))
  expect(control.snapshots.current().users.get(id)).toEqual({ id, name: 'ada', role: 'MEMBER', state: 'ACTIVE' })
  const input = { id, name: 'ada l.', role: 'OPERATOR', expectedRevision: 1 } as const
  expect(await updateUser(control, administrator, input)).toMatchObject({ ok: true, version: 2 })
  expect(await updateUser(control, administrator, { ...input, expectedRevision: 2 })).toMatchObject({ version: 2 })
  expect(refusalOf(await updateUser(control, administrator, input))).toMatchObject({ code: 'REVISION_CONFLICT' })
  expect(refusalOf(await createUser(control, administrator, { name: 'ada l.' }))).toMatchObject({ code: 'TAKEN' })
  expect(refusalOf(await createUser(control, administrator, { name: '' }))).toMatchObject({ path: ['input', 'name'] })
  expect(refusalOf(await updateUser(control, administrator, { id: 'nobody' }))).toMatchObject({ code: 'NOT_FOUND' })
  await expectCompiledWhole(control)
})

test('disabling a user disables its keys at once, and enabling it brings them back', async () => {
  await using control = await openTestControl()
  const id = await makeUser(control, 'ada')
  const key = await makeKey(control, id)
  expect(status(control, key.hash)).toBe(200)
  valueOf(await updateUser(control, administrator, { id, state: 'DISABLED' }))
  expect(status(control, key.hash)).toBe(401)
  valueOf(await updateUser(control, administrator, { id, state: 'ACTIVE' }))
  expect(status(control, key.hash)).toBe(200)
})

test('removing a user removes its keys, and both from the access of routes', async () => {
  await using control = await openTestControl()
  await makeUser(control, 'root', 'ADMIN')
  const [ada, bob] = [await makeUser(control, 'ada'), await makeUser(control, 'bob')]
  const [keyOfAda, keyOfBob] = [await makeKey(control, ada), await makeKey(control, bob)]
  for (const name of ['a', 'b', 'c'])
    valueOf(await createDeployment(control, administrator, { name, endpoints: [{ url: 'http://10.0.0.1/v1' }] }))
  const allow = (name: string, userIds: string[], apiKeyIds: string[]) =>
    setRouteAccess(control, administrator, { route: { name }, access: { policy: 'RESTRICTED', userIds, apiKeyIds } })
  valueOf(await allow('a', [ada, bob], []))
  valueOf(await allow('b', [], [keyOfAda.id, keyOfBob.id]))
  valueOf(await removeUser(control, administrator, { id: ada, expectedRevision: 1 }))
  const { routesByName } = control.snapshots.current()
  expect(routesByName.get('a')?.access.userIds).toEqual(new Set([bob]))
  expect(routesByName.get('b')?.access.apiKeyIds).toEqual(new Set([keyOfBob.id]))
  expect([status(control, keyOfAda.hash), status(control, keyOfBob.hash)]).toEqual([401, 200])
  await expectCompiledWhole(control)
  const entries = await control.db
    .selectFrom('audit_entry')
    .selectAll()
    .where('action', '=', 'userDelete')
    .orderBy('position')
    .execute()
  // The routes and the key were changed too, each with an entry and the routes with a revision of its own.
  const routeIds = ['a', 'b'].map((name) => routesByName.get(name)!.id)
  expect(entries.map((entry) => entry.subject_id)).toEqual([...routeIds, keyOfAda.id, ada])
  expect(entries.at(-1)?.changes).toContainEqual({ field: 'name', before: '"ada"', after: null })
  expect(['a', 'b', 'c'].map((name) => routesByName.get(name)!.revision)).toEqual([3, 3, 1])
  const history = await control.db.selectFrom('route_revision').selectAll().where('number', '=', 3).execute()
  expect(history.map(({ route_id, kind }) => [route_id, kind])).toEqual(routeIds.map((id) => [id, 'ACCESS_SET']))
})

test('the last active administrator cannot be removed, demoted or disabled', async () => {
  await using control = await openTestControl()
  const id = await makeUser(control, 'root', 'ADMIN')
  const other = await makeUser(control, 'other', 'ADMIN')
  valueOf(await updateUser(control, administrator, { id: other, state: 'DISABLED' }))
  const refused = [
    await removeUser(control, administrator, { id }),
    await updateUser(control, administrator, { id, role: 'OPERATOR' }),
    await updateUser(control, administrator, { id, state: 'DISABLED' }),
    await updateUser(control, administrator, { id, state: 'DRAINING' }),
  ].map((answer) => refusalOf(answer))
  expect(refused.map(({ code, path }) => [code, path?.at(-1)])).toEqual([
    ['FAILED_PRECONDITION', 'id'],
    ['FAILED_PRECONDITION', 'role'],
    ['FAILED_PRECONDITION', 'state'],
    ['FAILED_PRECONDITION', 'state'],
  ])
  valueOf(await updateUser(control, administrator, { id: other, state: 'ACTIVE' }))
  valueOf(await removeUser(control, administrator, { id }))
})

test('of administrators who remove, demote and disable one another at once, one stays', async () => {
  await using control = await openTestControl()
  for (let round = 0; round < 5; round++) {
    const ids = await Promise.all(['a', 'b', 'c'].map((name) => makeUser(control, `${name}${round}`, 'ADMIN')))
    const before = (await activeAdministrators(control)).filter((id) => !ids.includes(id))
    await Promise.all(before.map((id) => updateUser(control, administrator, { id, role: 'MEMBER' })))
    await Promise.all([
      removeUser(control, administrator, { id: ids[0]! }),
      updateUser(control, administrator, { id: ids[1]!, role: 'MEMBER' }),
      updateUser(control, administrator, { id: ids[2]!, state: 'DISABLED' }),
    ])
    expect(await activeAdministrators(control)).toHaveLength(1)
    await expectCompiledWhole(control)
  }
})

async function activeAdministrators(control: TestControl): Promise<string[]> {
  const rows = await control.db.selectFrom('app_user').selectAll().where('role', '=', 'ADMIN').execute()
  return rows.filter((row) => row.state === 'ACTIVE').map((row) => row.id)
}

test('access that is given, and keys that are made, while their user is removed leave nothing behind', async () => {
  await using control = await openTestControl()
  await makeUser(control, 'root', 'ADMIN')
  valueOf(await createDeployment(control, administrator, { name: 'r', endpoints: [{ url: 'http://10.0.0.1/v1' }] }))
  for (let round = 0; round < 8; round++) {
    const id = await makeUser(control, `u${round}`)
    const key = await makeKey(control, id)
    const access = { policy: 'RESTRICTED', userIds: [id], apiKeyIds: [key.id] } as const
    const answers = await Promise.all([
      setRouteAccess(control, administrator, { route: { name: 'r' }, access }),
      createApiKey(control, administrator, { name: 'k', ownerId: id }),
      removeUser(control, administrator, { id }),
    ])
    expect(answers[2]).toMatchObject({ ok: true })
    const refused = answers.filter((answer) => !answer.ok).map((answer) => refusalOf(answer).code)
    expect(refused.filter((code) => code !== 'NOT_FOUND')).toEqual([])
    await expectCompiledWhole(control)
  }
})
