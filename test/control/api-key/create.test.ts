import { crc32 } from 'node:zlib'
import { expect, test } from 'vitest'
import { actorOf, hashApiKey } from '../../../src/control/kit/actor.ts'
import { createApiKey } from '../../../src/control/api-key/create.ts'
import { revokeApiKey } from '../../../src/control/api-key/revoke.ts'
import { updateApiKey } from '../../../src/control/api-key/update.ts'
import { createApiKeySecret } from '../../../src/control/api-key/secret.ts'
import type { Actor } from '../../../src/control/kit/context.ts'
import { createDeployment } from '../../../src/control/deployment/create.ts'
import { removeRoute } from '../../../src/control/route/delete.ts'
import { createUser } from '../../../src/control/user/create.ts'
import { updateUser } from '../../../src/control/user/update.ts'
import { updateLastUsed } from '../../../src/storage/api-key/write.ts'
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

function actorFor(control: TestControl, secret: string | null): Actor | undefined {
  return actorOf(control.snapshots.current(), hashApiKey(secret ?? ''), Date.now())
}

test('a key is sbx_, 8 public, 32 random and 6 checksum characters', () => {
  const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
  for (let i = 0; i < 200; i++) {
    const { secret, prefix, hash } = createApiKeySecret()
    expect(secret).toMatch(/^sbx_[0-9A-Za-z]{46}$/)
    expect(prefix).toBe(secret.slice(0, 12))
    expect(hash).toBe(hashApiKey(secret))
    const checksum = secret
      .slice(44)
      .split('')
      .reduce((sum, digit) => sum * 62 + digits.indexOf(digit), 0)
    expect(checksum).toBe(crc32(secret.slice(4, 44)))
  }
})

test('a key works as soon as it is made, and neither table nor log has it', async () => {
  await using control = await openTestControl()
  const ownerId = await makeUser(control, 'ada', 'OPERATOR')
  const input = { name: 'app', ownerId, scopes: ['CONFIG_READ', 'INFERENCE', 'CONFIG_READ'] } as const
  const { apiKeyId, secret } = valueOf(await createApiKey(control, administrator, input))
  expect(actorFor(control, secret)).toEqual({
    id: apiKeyId,
    label: 'app (ada)',
    userId: ownerId,
    role: 'OPERATOR',
    scopes: new Set(['INFERENCE', 'CONFIG_READ']),
  })
  const dump = JSON.stringify([
    await control.db.selectFrom('api_key').selectAll().execute(),
    await control.db.selectFrom('audit_entry').selectAll().execute(),
    await control.db.selectFrom('idempotency_key').selectAll().execute(),
  ])
  expect(dump).not.toContain(secret!.slice(12))
  expect(dump).toContain(secret!.slice(0, 12))
})

test('with the same idempotency key the same key comes again, without its secret', async () => {
  await using control = await openTestControl()
  const ownerId = await makeUser(control, 'ada')
  const input = { name: 'app', ownerId, idempotencyKey: 'once', expiresAt: new Date(Date.now() + 60_000) }
  const answers = await Promise.all(Array.from({ length: 6 }, () => createApiKey(control, administrator, input)))
  const made = answers.map((answer) => valueOf(answer))
  expect(new Set(made.map((each) => each.apiKeyId)).size).toBe(1)
  expect(made.filter((each) => each.secret !== null)).toHaveLength(1)
  const other = await createApiKey(control, administrator, { ...input, expiresAt: null })
  expect(refusalOf(other)).toMatchObject({ code: 'IDEMPOTENCY_KEY_REUSED' })
})

test('a key never has more than its owner, when it is made and whenever its owner changes', async () => {
  await using control = await openTestControl()
  const ownerId = await makeUser(control, 'ada', 'OPERATOR')
  const tooMuch = { name: 'k', ownerId, scopes: ['INFERENCE', 'ADMIN'] } as const
  expect(refusalOf(await createApiKey(control, administrator, tooMuch))).toMatchObject({
    code: 'FORBIDDEN',
    path: ['input', 'scopes', '1'],
  })
  const scopes = ['INFERENCE', 'CONFIG_WRITE', 'TRAFFIC_WRITE'] as const
  const { secret } = valueOf(await createApiKey(control, administrator, { name: 'k', ownerId, scopes }))
  valueOf(await updateUser(control, administrator, { id: ownerId, role: 'MEMBER' }))
  expect(actorFor(control, secret)?.scopes).toEqual(new Set(['INFERENCE']))
})

test('who is no administrator makes and manages keys of its own only, and with no more than it has', async () => {
  await using control = await openTestControl()
  const [ada, bob] = [await makeUser(control, 'ada', 'OPERATOR'), await makeUser(control, 'bob', 'ADMIN')]
  const scopes = ['INFERENCE', 'CONFIG_WRITE'] as const
  const keyOfAda = valueOf(await createApiKey(control, administrator, { name: 'a', ownerId: ada, scopes }))
  const keyOfBob = valueOf(await createApiKey(control, administrator, { name: 'b', ownerId: bob, scopes: ['ADMIN'] }))
  const actor = actorFor(control, keyOfAda.secret)!

  const own = valueOf(await createApiKey(control, actor, { name: 'own', scopes: ['INFERENCE'] }))
  valueOf(await updateApiKey(control, actor, { id: own.apiKeyId, name: 'mine' }))
  valueOf(await revokeApiKey(control, actor, { id: own.apiKeyId }))

  const more = await createApiKey(control, actor, { name: 'more', scopes: ['USAGE_READ'] })
  expect(refusalOf(more)).toMatchObject({ code: 'FORBIDDEN', path: ['input', 'scopes', '0'] })
  const foreign = await createApiKey(control, actor, { name: 'x', ownerId: bob })
  const unknown = await createApiKey(control, actor, { name: 'x', ownerId: 'usr_00000000000000000000000000' })
  expect(refusalOf(foreign)).toMatchObject({ code: 'FORBIDDEN', path: ['input', 'ownerId'] })
  expect(unknown).toEqual(foreign)
  for (const manage of [updateApiKey, revokeApiKey]) {
    const refused = await manage(control, actor, { id: keyOfBob.apiKeyId })
    expect(refusalOf(refused)).toMatchObject({ code: 'NOT_FOUND', path: ['input', 'id'] })
    expect(await manage(control, actor, { id: 'key_00000000000000000000000000' })).toEqual(refused)
  }
  expect(actorFor(control, keyOfBob.secret)).toBeDefined()
})

test('a key without CONFIG_WRITE makes no keys: a leaked one could outlive its revocation', async () => {
  await using control = await openTestControl()
  const ownerId = await makeUser(control, 'ada', 'OPERATOR')
  const { secret } = valueOf(await createApiKey(control, administrator, { name: 'k', ownerId }))
  const answer = await createApiKey(control, actorFor(control, secret)!, { name: 'copy' })
  expect(refusalOf(answer)).toMatchObject({ code: 'FORBIDDEN' })
})

test.each([
  ['no scope', { scopes: [] }, 'INVALID', ['scopes']],
  ['an expiry in the past', { expiresAt: new Date(1_000) }, 'INVALID', ['expiresAt']],
  ['no date', { expiresAt: new Date(Number.NaN) }, 'INVALID', ['expiresAt']],
  ['an unknown route', { routeIds: ['rte_00000000000000000000000000'] }, 'NOT_FOUND', ['routeIds', '0']],
  ['1,001 routes', { routeIds: Array.from({ length: 1_001 }, (_, i) => `r${i}`) }, 'LIMIT_EXCEEDED', ['routeIds']],
  ['an unknown owner', { ownerId: 'usr_00000000000000000000000000' }, 'NOT_FOUND', ['ownerId']],
  ['an empty name', { name: '' }, 'INVALID', ['name']],
] as const)('%s is refused at its place', async (_what, input, code, path) => {
  await using control = await openTestControl()
  const ownerId = await makeUser(control, 'ada')
  const answer = await createApiKey(control, administrator, { name: 'k', ownerId, ...input })
  expect(refusalOf(answer)).toMatchObject({ code, path: ['input', ...path] })
})

test('a key is bound to its routes, loses those that go, and is then good for none', async () => {
  await using control = await openTestControl()
  const ownerId = await makeUser(control, 'ada')
  const routeIds: string[] = []
  for (const name of ['a', 'b']) {
    const endpoints = [{ url: 'http://10.0.0.1/v1' }]
    routeIds.push(valueOf(await createDeployment(control, administrator, { name, endpoints })).routeId!)
  }
  const { apiKeyId: id } = valueOf(
    await createApiKey(control, administrator, { name: 'k', ownerId, routeIds: routeIds.toReversed() }),
  )
  const bound = () => control.snapshots.current().apiKeysById.get(id)?.routeIds
  expect(bound()).toEqual(routeIds)
  const same = await updateApiKey(control, administrator, { id, routeIds, expectedRevision: 1 })
  expect(same.version).toBe(control.snapshots.current().version)
  for (const name of ['a', 'b']) valueOf(await removeRoute(control, administrator, { route: { name } }))
  expect(bound()).toEqual([])
  await expectCompiledWhole(control)
  valueOf(await updateApiKey(control, administrator, { id, routeIds: null, expectedRevision: 3 }))
  expect(bound()).toBeNull()
  const entries = await control.db
    .selectFrom('audit_entry')
    .selectAll()
    .where('subject_id', '=', id)
    .orderBy('position')
    .execute()
  expect(entries.map(({ action }) => action)).toEqual(['apiKeyCreate', 'routeDelete', 'routeDelete', 'apiKeyUpdate'])
})

test('a revoked key is refused from then on and stays revoked; an expired one too, until its expiry changes', async () => {
  await using control = await openTestControl()
  const ownerId = await makeUser(control, 'ada')
  const make = async () => valueOf(await createApiKey(control, administrator, { name: 'k', ownerId }))
  const [first, second] = [await make(), await make()]
  const revoked = await revokeApiKey(control, administrator, { id: first.apiKeyId })
  expect(await revokeApiKey(control, administrator, { id: first.apiKeyId })).toEqual(revoked)
  expect(actorFor(control, first.secret)).toBeUndefined()
  expect(actorFor(control, second.secret)).toBeDefined()
  const renamed = await updateApiKey(control, administrator, { id: first.apiKeyId, name: 'again' })
  expect(refusalOf(renamed)).toMatchObject({ code: 'FAILED_PRECONDITION', path: ['input', 'id'] })
  await expectCompiledWhole(control)

  const expiresAt = new Date(Date.now() + 3_600_000)
  valueOf(await updateApiKey(control, administrator, { id: second.apiKeyId, expiresAt }))
  const current = () => control.snapshots.current()
  expect(actorOf(current(), hashApiKey(second.secret!), expiresAt.getTime())).toBeUndefined()
  expect(actorOf(current(), hashApiKey(second.secret!), expiresAt.getTime() - 1)).toBeDefined()
  valueOf(await updateApiKey(control, administrator, { id: second.apiKeyId, expiresAt, name: 'kept' }))
  valueOf(await updateApiKey(control, administrator, { id: second.apiKeyId, expiresAt: null }))
  expect(actorOf(current(), hashApiKey(second.secret!), expiresAt.getTime())).toBeDefined()
})

test('the latest minute of use wins, in whatever order processes tell, and makes no revision', async () => {
  await using control = await openTestControl()
  const ownerId = await makeUser(control, 'ada')
  const ids: string[] = []
  for (let i = 0; i < 20; i++)
    ids.push(valueOf(await createApiKey(control, administrator, { name: `k${i}`, ownerId })).apiKeyId)
  const minutes = [3, 1, 5, 2, 4].map((minute) => new Date(Date.UTC(2026, 0, 1, 0, minute)))
  await Promise.all(
    minutes.map((minute, i) => updateLastUsed(control.db, i % 2 === 0 ? ids : ids.toReversed(), minute)),
  )
  await updateLastUsed(control.db, [], minutes[0]!)
  await updateLastUsed(control.db, ['key_00000000000000000000000000'], minutes[0]!)
  const rows = await control.db.selectFrom('api_key').select(['last_used_at', 'revision']).execute()
  expect(rows).toEqual(ids.map(() => ({ last_used_at: minutes[2], revision: 1 })))
})
