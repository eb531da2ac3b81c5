/** Who may do what to which key: generated callers, keys and mutations, against a plain model. */
import * as fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { actorOf, hashApiKey } from '../../../src/control/kit/actor.ts'
import { createApiKey } from '../../../src/control/api-key/create.ts'
import { revokeApiKey } from '../../../src/control/api-key/revoke.ts'
import { rotateApiKey } from '../../../src/control/api-key/rotate.ts'
import { updateApiKey } from '../../../src/control/api-key/update.ts'
import type { Actor } from '../../../src/control/kit/context.ts'
import { createDeployment } from '../../../src/control/deployment/create.ts'
import { setRouteAccess } from '../../../src/control/route/access.ts'
import { createUser } from '../../../src/control/user/create.ts'
import { removeUser } from '../../../src/control/user/delete.ts'
import { updateUser } from '../../../src/control/user/update.ts'
import type { ApiKeyScope } from '../../../src/routing/config/vocabulary.ts'
import { administrator, openTestControl, refusalOf, type TestControl, valueOf } from '../../support/control.ts'

let control: TestControl
const users = new Map<'ADMIN' | 'OPERATOR', string>()
const routeIds: string[] = []

beforeAll(async () => {
  control = await openTestControl()
  for (const role of ['ADMIN', 'OPERATOR'] as const)
    users.set(role, valueOf(await createUser(control, administrator, { name: role, role })))
  valueOf(await createApiKey(control, administrator, { name: 'root', ownerId: users.get('ADMIN')!, scopes: ['ADMIN'] }))
  for (const name of ['r0', 'r1'])
    routeIds.push(
      valueOf(await createDeployment(control, administrator, { name, endpoints: [{ url: 'http://10.0.0.1/v1' }] }))
        .routeId!,
    )
})
afterAll(async () => {
  await control[Symbol.asyncDispose]()
})

interface Reach {
  readonly scopes: readonly ApiKeyScope[]
  /** Places in `routeIds`. */
  readonly routes: readonly number[] | null
  /** Hours from now. */
  readonly hours: number | null
}

const routes = fc.constantFrom<Reach['routes']>(null, [], [0], [0, 1])
const hours = fc.constantFrom(null, 1, 2)
const scopesOfOperator = ['INFERENCE', 'CONFIG_WRITE', 'USAGE_READ'] as const
const reach: fc.Arbitrary<Reach> = fc.record({
  scopes: fc.subarray([...scopesOfOperator], { minLength: 1 }),
  routes,
  hours,
})
const caller = fc.oneof(
  { weight: 4, arbitrary: fc.record({ role: fc.constant('OPERATOR' as const), key: reach }) },
  {
    weight: 1,
    arbitrary: fc.record({
      role: fc.constant('ADMIN' as const),
      key: fc.record({ scopes: fc.constant<ApiKeyScope[]>(['ADMIN']), routes, hours }),
    }),
  },
)
const target = fc.record({ whose: fc.constantFrom('OPERATOR' as const, 'ADMIN' as const, 'SELF' as const), key: reach })
const mutation = fc.oneof(
  fc.record({ kind: fc.constant('create' as const), key: reach }),
  fc.record({ kind: fc.constant('update' as const), change: fc.record({ routes, hours }, { requiredKeys: [] }) }),
  fc.record({ kind: fc.constant('rotate' as const), change: fc.record({ hours }, { requiredKeys: [] }) }),
  fc.record({ kind: fc.constant('revoke' as const) }),
)

const startedAtMs = Date.now()
const expiryOf = (after: number | null) => (after === null ? null : new Date(startedAtMs + after * 3_600_000))
const fieldsOf = ({ routes, hours }: Partial<Reach>) => ({
  ...(routes !== undefined && { routeIds: routes && routes.map((place) => routeIds[place]!) }),
  ...(hours !== undefined && { expiresAt: expiryOf(hours) }),
})

async function make(ownerId: string, key: Reach): Promise<{ id: string; actor: Actor }> {
  const input = { name: 'k', ownerId, scopes: key.scopes, ...fieldsOf(key) }
  const { apiKeyId, secret } = valueOf(await createApiKey(control, administrator, input))
  return { id: apiKeyId, actor: actorOf(control.snapshots.current(), hashApiKey(secret!), Date.now())! }
}

/** The model: whether everything that `inner` reaches, `outer` reaches too. */
function isWithin(inner: Reach, outer: Reach): boolean {
  const all = [0, 1, 2]
  const reached = ({ routes }: Reach) => routes ?? all
  const hoursOf = ({ hours }: Reach) => hours ?? Number.POSITIVE_INFINITY
  return (
    inner.scopes.every((scope) => outer.scopes.includes(scope)) &&
    reached(inner).every((place) => reached(outer).includes(place)) &&
    hoursOf(inner) <= hoursOf(outer)
  )
}

test('without ADMIN a key manages keys of its owner within itself, never itself, and makes none that reach further', async () => {
  let [allowed, refused] = [0, 0]
  await fc.assert(
    fc.asyncProperty(caller, target, mutation, async (by, about, what) => {
      const ownerId = users.get(by.role)!
      const { id: callerId, actor } = await make(ownerId, by.key)
      const isSelf = about.whose === 'SELF'
      const targetOwner = about.whose === 'SELF' ? ownerId : users.get(about.whose)!
      const targetKey = isSelf ? by.key : about.key
      const id = isSelf ? callerId : (await make(targetOwner, about.key)).id

      const isAdmin = by.key.scopes.includes('ADMIN')
      const manages = by.key.scopes.includes('CONFIG_WRITE')
      const after =
        what.kind === 'create' ? what.key : { ...targetKey, ...('change' in what ? what.change : undefined) }
      const mayTouch = what.kind === 'create' || (!isSelf && targetOwner === ownerId && isWithin(targetKey, by.key))
      const may = isAdmin || (manages && mayTouch && isWithin(after, by.key))

      const answer =
        what.kind === 'create'
          ? await createApiKey(control, actor, { name: 'n', scopes: what.key.scopes, ...fieldsOf(what.key) })
          : what.kind === 'update'
            ? await updateApiKey(control, actor, { id, ...fieldsOf(what.change) })
            : what.kind === 'rotate'
              ? await rotateApiKey(control, actor, { id, overlapMs: 1_000, ...fieldsOf(what.change) })
              : await revokeApiKey(control, actor, { id })
      if (answer.ok) allowed++
      else refused++
      const codes = answer.ok ? [] : answer.refusals.map(({ code }) => code)
      expect({ may: answer.ok, codes: codes.filter((code) => code !== 'FORBIDDEN' && code !== 'NOT_FOUND') }).toEqual({
        may,
        codes: [],
      })
    }),
    { numRuns: 120 },
  )
  // A model that refuses everything would prove nothing.
  expect(Math.min(allowed, refused)).toBeGreaterThan(10)
})

test('a key that was narrowed grants no more than it has now, also where its caller was let in before', async () => {
  const ownerId = users.get('OPERATOR')!
  const { id, actor } = await make(ownerId, { scopes: ['INFERENCE', 'CONFIG_WRITE'], routes: null, hours: null })
  valueOf(await updateApiKey(control, administrator, { id, routeIds: [routeIds[0]!] }))
  const unbound = await createApiKey(control, actor, { name: 'n' })
  expect(refusalOf(unbound)).toMatchObject({ code: 'FORBIDDEN', path: ['input', 'routeIds'] })
  valueOf(await revokeApiKey(control, administrator, { id }))
  const late = await createApiKey(control, actor, { name: 'n', routeIds: [routeIds[0]!] })
  expect(refusalOf(late)).toMatchObject({ code: 'FORBIDDEN' })
})

test('what a key was given by a route’s access is not had by rotating it', async () => {
  const ownerId = users.get('OPERATOR')!
  const { actor } = await make(ownerId, { scopes: ['INFERENCE', 'CONFIG_WRITE'], routes: null, hours: null })
  const listed = await make(ownerId, { scopes: ['INFERENCE'], routes: null, hours: null })
  const access = { policy: 'RESTRICTED', apiKeyIds: [listed.id] } as const
  valueOf(await setRouteAccess(control, administrator, { route: { id: routeIds[1]! }, access }))
  const answer = await rotateApiKey(control, actor, { id: listed.id })
  expect(refusalOf(answer)).toMatchObject({ code: 'FORBIDDEN', path: ['input', 'id'] })
  valueOf(
    await setRouteAccess(control, administrator, { route: { id: routeIds[1]! }, access: { policy: 'AUTHENTICATED' } }),
  )
  valueOf(await rotateApiKey(control, actor, { id: listed.id }))
})

test('the last key with ADMIN that does not expire stays, whatever is tried', async () => {
  await using own = await openTestControl()
  const ada = valueOf(await createUser(own, administrator, { name: 'ada', role: 'ADMIN' }))
  const bob = valueOf(await createUser(own, administrator, { name: 'bob', role: 'ADMIN' }))
  const makeKey = async (ownerId: string, expiresAt: Date | null = null) =>
    valueOf(await createApiKey(own, administrator, { name: 'k', ownerId, scopes: ['ADMIN'], expiresAt })).apiKeyId
  const soon = new Date(Date.now() + 3_600_000)
  const last = await makeKey(ada)
  // Neither an administrator without a key nor a key that ends replaces it.
  await makeKey(bob, soon)
  const tried = {
    revoked: await revokeApiKey(own, administrator, { id: last }),
    expiring: await updateApiKey(own, administrator, { id: last, expiresAt: soon }),
    rotated: await rotateApiKey(own, administrator, { id: last, expiresAt: soon }),
    demoted: await updateUser(own, administrator, { id: ada, role: 'OPERATOR' }),
    disabled: await updateUser(own, administrator, { id: ada, state: 'DISABLED' }),
    draining: await updateUser(own, administrator, { id: ada, state: 'DRAINING' }),
    deleted: await removeUser(own, administrator, { id: ada }),
  }
  for (const [what, answer] of Object.entries(tried))
    expect({ what, code: refusalOf(answer).code }).toEqual({ what, code: 'FAILED_PRECONDITION' })
  valueOf(await rotateApiKey(own, administrator, { id: last }))
  await makeKey(bob)
  valueOf(await removeUser(own, administrator, { id: ada }))
})

test('of administrators who revoke one another’s keys at the same time, one key stays', async () => {
  await using own = await openTestControl()
  const ada = valueOf(await createUser(own, administrator, { name: 'ada', role: 'ADMIN' }))
  const bob = valueOf(await createUser(own, administrator, { name: 'bob', role: 'ADMIN' }))
  const ids: string[] = []
  for (const ownerId of [ada, ada, bob])
    ids.push(valueOf(await createApiKey(own, administrator, { name: 'k', ownerId, scopes: ['ADMIN'] })).apiKeyId)
  const answers = await Promise.all([
    ...ids.slice(0, 2).map((id) => revokeApiKey(own, administrator, { id })),
    removeUser(own, administrator, { id: bob }),
  ])
  expect(answers.filter((answer) => answer.ok)).toHaveLength(2)
})

test('both secrets are good during the overlap of a rotation, and afterwards the new one alone', async () => {
  await using own = await openTestControl()
  const ownerId = valueOf(await createUser(own, administrator, { name: 'ada' }))
  const made = valueOf(await createApiKey(own, administrator, { name: 'k', ownerId }))
  const id = made.apiKeyId
  const at = (secret: string | null, ms: number) =>
    actorOf(own.snapshots.current(), hashApiKey(secret!), Date.now() + ms)
  const input = { id, overlapMs: 3_600_000, idempotencyKey: 'once' }
  const second = valueOf(await rotateApiKey(own, administrator, input))
  expect(valueOf(await rotateApiKey(own, administrator, input))).toEqual({ apiKeyId: id, secret: null })
  expect([at(made.secret, 0)?.id, at(second.secret, 0)?.id]).toEqual([id, id])
  expect([at(made.secret, 3_600_000)?.id, at(second.secret, 3_600_000)?.id]).toEqual([undefined, id])
  const third = valueOf(await rotateApiKey(own, administrator, { id, overlapMs: 60_000 }))
  expect([made, second, third].map(({ secret }) => at(secret, 0)?.id)).toEqual([id, id, id])
  const fourth = valueOf(await rotateApiKey(own, administrator, { id }))
  expect([made, second, third, fourth].map(({ secret }) => at(secret, 0)?.id)).toEqual([
    undefined,
    undefined,
    undefined,
    id,
  ])
  const dump = JSON.stringify(await own.db.selectFrom('audit_entry').selectAll().execute())
  for (const { secret } of [made, second, third, fourth]) expect(dump).not.toContain(hashApiKey(secret!))
})
