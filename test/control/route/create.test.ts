import { beforeAll, describe, expect, test } from 'vitest'
import { createApiKey } from '../../../src/control/api-key/create.ts'
import type { Answer } from '../../../src/control/kit/context.ts'
import { createDeployment } from '../../../src/control/deployment/create.ts'
import { createProvider } from '../../../src/control/provider/create.ts'
import { createRoute, type RouteCreateInput } from '../../../src/control/route/create.ts'
import { removeRoute } from '../../../src/control/route/delete.ts'
import { updateRoute } from '../../../src/control/route/update.ts'
import { setRouteAccess } from '../../../src/control/route/access.ts'
import { setRouteFallback } from '../../../src/control/route/fallback.ts'
import { rollbackRoute } from '../../../src/control/route/rollback.ts'
import {
  addRouteTarget,
  removeRouteTarget,
  replaceRouteTarget,
  setRouteTargets,
} from '../../../src/control/route/targets.ts'
import { setRouteTraffic, setRouteTrafficBulk } from '../../../src/control/route/traffic.ts'
import { createUser } from '../../../src/control/user/create.ts'
import { defaultTimeouts } from '../../../src/routing/config/configuration.ts'
import type { Route } from '../../../src/routing/config/snapshot.ts'
import {
  administrator,
  expectCompiledWhole,
  openTestControl,
  refusalOf,
  type TestControl,
  valueOf,
} from '../../support/control.ts'

/** Deployments a to d without routes, and the provider p with the models m and n. */
async function openWithBackends(): Promise<TestControl> {
  const control = await openTestControl()
  for (const name of ['a', 'b', 'c', 'd']) {
    const endpoints = [{ url: `http://10.0.0.1/${name}/v1` }]
    valueOf(await createDeployment(control, administrator, { name, endpoints, enableModelRoute: false }))
  }
  const models = [{ upstreamModel: 'm' }, { upstreamModel: 'n' }]
  valueOf(await createProvider(control, administrator, { name: 'p', baseUrl: 'http://10.0.0.2/v1', models }))
  return control
}

const on = (deployment: string, weight?: number) => ({
  backend: { deployment },
  ...(weight === undefined ? {} : { weight }),
})
const at = (deployment: string, weight: number) => ({ target: { deployment }, weight })
const model = (name: string) => ({ providerModel: { provider: 'p', model: name } })

async function make(control: TestControl, input: Partial<RouteCreateInput> = {}): Promise<string> {
  return valueOf(await createRoute(control, administrator, { name: 'r', targets: [on('a'), on('b')], ...input }))
}

function routeOf(control: TestControl, id: string): Route {
  const route = control.snapshots.current().routesById.get(id)
  if (!route) throw new Error(`${id} is not served`)
  return route
}

/** Backend labels and weights, in the route's order. */
function weightsOf(control: TestControl, id: string): (readonly [string | undefined, number])[] {
  const { backends } = control.snapshots.current()
  return routeOf(control, id).targets.map((target) => [backends.get(target.backendId)?.label, target.weight])
}

test('a new route takes what is given and defaults for the rest', async () => {
  await using control = await openWithBackends()
  const id = await make(control, { targets: [on('a'), on('b', 200), { backend: model('m'), weight: 0 }] })
  expect(weightsOf(control, id)).toEqual([
    ['a', 100],
    ['b', 200],
    ['p/m', 0],
  ])
  expect(routeOf(control, id)).toMatchObject({
    revision: 1,
    state: 'ACTIVE',
    categories: ['LLM'],
    fallback: null,
    timeouts: defaultTimeouts,
    access: { policy: 'AUTHENTICATED' },
  })
  const byFallback = await make(control, {
    name: 'with-fallback',
    fallback: { backends: [model('n'), { deployment: 'c' }] },
    timeouts: { totalMs: 30_000, idleMs: null },
  })
  const { fallback, timeouts } = routeOf(control, byFallback)
  expect(fallback?.maxAttempts).toBe(3)
  expect(fallback?.triggers.has('CONTEXT_LENGTH')).toBe(false)
  expect(fallback?.triggers.size).toBe(8)
  expect(timeouts).toEqual({ ...defaultTimeouts, totalMs: 30_000 })
  await expectCompiledWhole(control)
})

describe('what cannot be served is refused at its place, and nothing of it is written', () => {
  let control: TestControl
  beforeAll(async () => {
    control = await openWithBackends()
    return () => control[Symbol.asyncDispose]()
  })

  const nobody = 'usr_00000000000000000000000000'
  test.each([
    ['no target', { targets: [] }, 'INVALID', 'targets'],
    ['weights that sum to 0', { targets: [on('a', 0), on('b', 0)] }, 'INVALID', 'targets'],
    ['a weight below 0', { targets: [on('a'), on('b', -1)] }, 'INVALID', 'targets.1.weight'],
    ['a weight above 1,000,000', { targets: [on('a', 1_000_001)] }, 'INVALID', 'targets.0.weight'],
    ['half a weight', { targets: [on('a', 0.5)] }, 'INVALID', 'targets.0.weight'],
    ['a backend twice', { targets: [on('a'), on('a')] }, 'INVALID', 'targets.1.backend'],
    ['an unknown deployment', { targets: [on('a'), on('z')] }, 'NOT_FOUND', 'targets.1.backend'],
    ['an unknown model', { targets: [{ backend: model('z') }] }, 'NOT_FOUND', 'targets.0.backend'],
    ['an id of nothing', { targets: [{ backend: { id: 'dep_x' } }] }, 'NOT_FOUND', 'targets.0.backend'],
    [
      'a fallback that is a target',
      { fallback: { backends: [model('m'), { deployment: 'a' }] } },
      'INVALID',
      'fallback.backends.1',
    ],
    ['a fallback twice', { fallback: { backends: [model('m'), model('m')] } }, 'INVALID', 'fallback.backends.1'],
    ['an unknown fallback', { fallback: { backends: [model('z')] } }, 'NOT_FOUND', 'fallback.backends.0'],
    ['a fallback without backends', { fallback: { backends: [] } }, 'INVALID', 'fallback.backends'],
    [
      'a fallback without triggers',
      { fallback: { backends: [model('m')], triggers: [] } },
      'INVALID',
      'fallback.triggers',
    ],
    ['10 attempts', { fallback: { backends: [model('m')], maxAttempts: 10 } }, 'INVALID', 'fallback.maxAttempts'],
    ['a timeout of 0', { timeouts: { idleMs: 0 } }, 'INVALID', 'timeouts.idleMs'],
    ['a name with a blank', { name: 'a b' }, 'INVALID', 'name'],
    ['a name of 129 characters', { name: 'x'.repeat(129) }, 'INVALID', 'name'],
    ['a name that ends with a dash', { name: 'x-' }, 'INVALID', 'name'],
    ['an unknown user', { access: { policy: 'RESTRICTED', userIds: [nobody] } }, 'NOT_FOUND', 'access.userIds.0'],
    ['a description of 4,097 characters', { description: 'x'.repeat(4_097) }, 'INVALID', 'description'],
    ['a reason with a control character', { reason: 'x\u0007' }, 'INVALID', 'reason'],
    ['an empty idempotency key', { idempotencyKey: '' }, 'INVALID', 'idempotencyKey'],
  ] as const)('%s', async (_what, input, code, path) => {
    const before = control.snapshots.current().version
    const answer = await createRoute(control, administrator, { name: 'r', targets: [on('a')], ...input })
    expect(refusalOf(answer)).toMatchObject({ code, path: ['input', ...path.split('.')] })
    expect(control.snapshots.current().version).toBe(before)
    expect(await control.db.selectFrom('route').select('id').execute()).toEqual([])
  })

  test('listed users with a policy that has no list', async () => {
    const userId = valueOf(await createUser(control, administrator, { name: 'ada' }))
    const access = { policy: 'AUTHENTICATED', userIds: [userId] } as const
    const answer = await createRoute(control, administrator, { name: 'r', targets: [on('a')], access })
    expect(refusalOf(answer)).toMatchObject({ code: 'INVALID', path: ['input', 'access', 'policy'] })
  })

  test('65 targets', async () => {
    const targets = []
    for (let i = 0; i < 65; i++) {
      const endpoints = [{ url: 'http://10.0.0.3/v1' }]
      const input = { name: `many-${i}`, endpoints, enableModelRoute: false }
      targets.push({ backend: { id: valueOf(await createDeployment(control, administrator, input)).deploymentId } })
    }
    const answer = await createRoute(control, administrator, { name: 'r', targets })
    expect(refusalOf(answer)).toMatchObject({ code: 'LIMIT_EXCEEDED', path: ['input', 'targets'] })
  })
})

test('traffic is set as a whole: what is not listed gets 0, and targets keep their ids', async () => {
  await using control = await openWithBackends()
  const id = await make(control, { targets: [on('a'), on('b'), { backend: model('m') }] })
  const ids = routeOf(control, id).targets.map((target) => target.id)
  const route = { id }
  const set = await setRouteTraffic(control, administrator, {
    route,
    expectedRevision: 1,
    weights: [{ target: { id: ids[2]! }, weight: 1 }, at('a', 199)],
    reason: 'canary',
  })
  expect(valueOf(set)).toBe(id)
  expect(weightsOf(control, id)).toEqual([
    ['a', 199],
    ['b', 0],
    ['p/m', 1],
  ])
  expect(routeOf(control, id).targets.map((target) => target.id)).toEqual(ids)
  expect(routeOf(control, id)).toMatchObject({
    revision: 2,
    targets: [{ share: 0.995 }, { share: 0 }, { share: 0.005 }],
  })
  const refused = async (weights: Parameters<typeof setRouteTraffic>[2]['weights']) =>
    refusalOf(await setRouteTraffic(control, administrator, { route, weights }))
  expect(await refused([at('a', 1), at('z', 1)])).toMatchObject({
    code: 'NOT_FOUND',
    path: ['input', 'weights', '1', 'target'],
  })
  expect(await refused([at('c', 1)])).toMatchObject({ code: 'NOT_FOUND' })
  expect(await refused([at('a', 1), at('a', 2)])).toMatchObject({
    code: 'INVALID',
    path: ['input', 'weights', '1', 'target'],
  })
  expect(await refused([at('b', 0), at('a', -1)])).toMatchObject({ code: 'INVALID' })
  expect(await refused([at('b', 0), at('a', 0)])).toMatchObject({ code: 'INVALID', path: ['input', 'weights'] })
  expect(await refused([])).toMatchObject({ code: 'INVALID', path: ['input', 'weights'] })
  expect(routeOf(control, id).revision).toBe(2)
})

test('a weight out of range is refused at its own place in the list of the caller', async () => {
  await using control = await openWithBackends()
  const id = await make(control)
  const weights = [at('b', 5), at('a', 1_000_001)]
  expect(refusalOf(await setRouteTraffic(control, administrator, { route: { id }, weights }))).toMatchObject({
    code: 'INVALID',
    path: ['input', 'weights', '1', 'weight'],
  })
  const targets = [on('d', 1), on('b', -1), on('a', 1)]
  expect(refusalOf(await setRouteTargets(control, administrator, { route: { id }, targets }))).toMatchObject({
    code: 'INVALID',
    path: ['input', 'targets', '1', 'weight'],
  })
})

test('what is so already makes no revision, no version and no entry in the audit log', async () => {
  await using control = await openWithBackends()
  const access = { policy: 'PUBLIC' } as const
  const fallback = { backends: [model('m')], triggers: ['TIMEOUT'] as const, maxAttempts: 2 }
  const id = await make(control, { fallback, access, description: 'd' })
  const route = { id }
  const { version } = control.snapshots.current()
  const count = async () => (await control.db.selectFrom('audit_entry').select('id').execute()).length
  const entries = await count()
  const answers: Answer<unknown>[] = [
    await setRouteTraffic(control, administrator, { route, weights: [at('a', 100), at('b', 100)] }),
    await setRouteTargets(control, administrator, { route, targets: [on('b'), on('a')] }),
    await setRouteFallback(control, administrator, { route, fallback }),
    await setRouteAccess(control, administrator, { route, access }),
    await updateRoute(control, administrator, { route, name: 'r', description: 'd', state: 'ACTIVE', timeouts: {} }),
    await rollbackRoute(control, administrator, { route, toRevision: 1 }),
    await replaceRouteTarget(control, administrator, {
      route,
      target: { deployment: 'a' },
      backend: { deployment: 'a' },
    }),
    await setRouteTrafficBulk(control, administrator, { changes: [{ route, weights: [at('a', 100), at('b', 100)] }] }),
  ]
  expect(answers.map((answer) => [answer.ok, answer.version])).toEqual(answers.map(() => [true, version]))
  expect(routeOf(control, id).revision).toBe(1)
  expect(await count()).toBe(entries)
})

test('targets are replaced as a list, and those whose backend stays keep their ids', async () => {
  await using control = await openWithBackends()
  const id = await make(control, { targets: [on('a'), on('b'), on('c')] })
  const idsBefore = new Map(routeOf(control, id).targets.map((target) => [target.backendId, target.id]))
  const targets = [on('d', 5), on('c', 7), on('a')]
  valueOf(await setRouteTargets(control, administrator, { route: { id }, targets }))
  expect(weightsOf(control, id)).toEqual([
    ['a', 100],
    ['c', 7],
    ['d', 5],
  ])
  const [a, c, d] = routeOf(control, id).targets
  expect([a?.id, c?.id]).toEqual([idsBefore.get(a!.backendId), idsBefore.get(c!.backendId)])
  expect([...idsBefore.values()]).not.toContain(d?.id)
  const twice = await setRouteTargets(control, administrator, { route: { id }, targets: [on('a'), on('b'), on('a')] })
  expect(refusalOf(twice)).toMatchObject({ code: 'INVALID', path: ['input', 'targets', '2', 'backend'] })
  await expectCompiledWhole(control)
})

test('a target is added, replaced in place with its weight, and removed', async () => {
  await using control = await openWithBackends()
  const id = await make(control, { targets: [on('a', 300)] })
  const route = { id }
  const added = valueOf(await addRouteTarget(control, administrator, { route, target: on('b') }))
  expect(routeOf(control, id).targets[1]).toMatchObject({ id: added.targetId, weight: 100 })
  const replaced = valueOf(
    await replaceRouteTarget(control, administrator, { route, target: { deployment: 'a' }, backend: model('m') }),
  )
  expect(weightsOf(control, id)).toEqual([
    ['b', 100],
    ['p/m', 300],
  ])
  expect(replaced.targetId).toBe(routeOf(control, id).targets[1]?.id)
  valueOf(await removeRouteTarget(control, administrator, { route, target: { id: added.targetId } }))
  expect(weightsOf(control, id)).toEqual([['p/m', 300]])
  expect(routeOf(control, id).revision).toBe(4)

  const last = await removeRouteTarget(control, administrator, { route, target: model('m') })
  expect(refusalOf(last)).toMatchObject({ code: 'INVALID', path: ['input', 'target'] })
  const again = await addRouteTarget(control, administrator, { route, target: { backend: model('m') } })
  expect(refusalOf(again)).toMatchObject({ code: 'INVALID', path: ['input', 'target', 'backend'] })
  const tooHeavy = await addRouteTarget(control, administrator, { route, target: on('a', 2_000_000) })
  expect(refusalOf(tooHeavy)).toMatchObject({ code: 'INVALID', path: ['input', 'target', 'weight'] })
  const unknown = await addRouteTarget(control, administrator, { route, target: on('z') })
  expect(refusalOf(unknown)).toMatchObject({ code: 'NOT_FOUND', path: ['input', 'target', 'backend'] })
  const gone = await replaceRouteTarget(control, administrator, {
    route,
    target: { deployment: 'a' },
    backend: model('n'),
  })
  expect(refusalOf(gone)).toMatchObject({ code: 'NOT_FOUND', path: ['input', 'target'] })
  await expectCompiledWhole(control)
})

test('a backend is a target or a fallback, whichever way it is tried', async () => {
  await using control = await openWithBackends()
  const id = await make(control, { targets: [on('a'), on('b')], fallback: { backends: [{ deployment: 'c' }] } })
  const route = { id }
  expect(
    refusalOf(
      await setRouteFallback(control, administrator, {
        route,
        fallback: { backends: [model('m'), { deployment: 'b' }] },
      }),
    ),
  ).toMatchObject({ code: 'INVALID', path: ['input', 'fallback', 'backends', '1'] })
  const added = await addRouteTarget(control, administrator, { route, target: on('c') })
  expect(refusalOf(added)).toMatchObject({ code: 'INVALID', path: ['input', 'target', 'backend'] })
  const listed = await setRouteTargets(control, administrator, { route, targets: [on('b'), on('c'), on('a')] })
  expect(refusalOf(listed)).toMatchObject({ code: 'INVALID', path: ['input', 'targets', '1', 'backend'] })
  const replaced = await replaceRouteTarget(control, administrator, {
    route,
    target: { deployment: 'a' },
    backend: { deployment: 'c' },
  })
  expect(refusalOf(replaced)).toMatchObject({ code: 'INVALID', path: ['input', 'backend'] })
  valueOf(await setRouteFallback(control, administrator, { route, fallback: null }))
  expect(routeOf(control, id).fallback).toBeNull()
  valueOf(await addRouteTarget(control, administrator, { route, target: on('c') }))
})

test('a rollback restores targets, weights, fallback and timeouts as a new revision, and nothing else', async () => {
  await using control = await openWithBackends()
  const fallback = {
    backends: [{ deployment: 'c' }, model('m')],
    triggers: ['TIMEOUT', 'SATURATED'] as const,
    maxAttempts: 5,
  }
  const id = await make(control, { targets: [on('a', 1), on('b', 2)], fallback, timeouts: { idleMs: 1_234 } })
  const route = { id }
  const first = routeOf(control, id)
  valueOf(await setRouteTargets(control, administrator, { route, targets: [on('d'), { backend: model('n') }] }))
  valueOf(await setRouteFallback(control, administrator, { route, fallback: null }))
  valueOf(
    await updateRoute(control, administrator, { route, name: 'renamed', timeouts: { idleMs: 9 }, state: 'DRAINING' }),
  )
  valueOf(await setRouteAccess(control, administrator, { route, access: { policy: 'PUBLIC' } }))
  valueOf(
    await rollbackRoute(control, administrator, { route, toRevision: 1, expectedRevision: 5, reason: 'bad idea' }),
  )

  const after = routeOf(control, id)
  const { targets, fallback: restored, timeouts } = first
  expect(after).toMatchObject({ targets, fallback: restored, timeouts, revision: 6 })
  expect(after).toMatchObject({ name: 'renamed', state: 'DRAINING', access: { policy: 'PUBLIC' } })
  const revisions = await control.db.selectFrom('route_revision').selectAll().orderBy('number').execute()
  expect(revisions.map((revision) => [revision.number, revision.kind, revision.reason])).toEqual([
    [1, 'CREATED', null],
    [2, 'TARGETS_CHANGED', null],
    [3, 'FALLBACK_SET', null],
    [4, 'UPDATED', null],
    [5, 'ACCESS_SET', null],
    [6, 'ROLLED_BACK', 'bad idea'],
  ])
  expect(revisions[5]?.state).toEqual(revisions[0]?.state)
  for (const toRevision of [0, 7, -1])
    expect(refusalOf(await rollbackRoute(control, administrator, { route, toRevision }))).toMatchObject({
      code: 'NOT_FOUND',
      path: ['input', 'toRevision'],
    })
  await expectCompiledWhole(control)
})

test('a rollback to a target that came back under another id restores the old id', async () => {
  await using control = await openWithBackends()
  const id = await make(control)
  const route = { id }
  const before = routeOf(control, id).targets
  valueOf(await removeRouteTarget(control, administrator, { route, target: { deployment: 'a' } }))
  valueOf(await addRouteTarget(control, administrator, { route, target: on('a') }))
  valueOf(await rollbackRoute(control, administrator, { route, toRevision: 1 }))
  expect(routeOf(control, id).targets).toEqual(before)
  await expectCompiledWhole(control)
})

test('revisions and the audit log name actor, reason and what changed, also after everything is deleted', async () => {
  await using control = await openWithBackends()
  const id = await make(control, { reason: 'made' })
  valueOf(await setRouteTraffic(control, administrator, { route: { id }, weights: [at('b', 3)], reason: 'switched' }))
  valueOf(await removeRoute(control, administrator, { route: { name: 'r' }, expectedRevision: 2 }))
  expect(control.snapshots.current().routesByName.get('r')).toBeUndefined()

  const revisions = await control.db
    .selectFrom('route_revision')
    .selectAll()
    .where('route_id', '=', id)
    .orderBy('number')
    .execute()
  expect(revisions).toMatchObject([
    {
      actor_id: 'system:test',
      reason: 'made',
      state: { targets: [{ backendLabel: 'a', weight: 100 }, { weight: 100 }] },
    },
    {
      actor_id: 'system:test',
      reason: 'switched',
      state: { targets: [{ backendLabel: 'a', weight: 0 }, { weight: 3 }] },
    },
  ])
  const entries = await control.db
    .selectFrom('audit_entry')
    .selectAll()
    .where('subject_id', '=', id)
    .orderBy('id')
    .execute()
  expect(entries.map((entry) => [entry.actor_id, entry.action])).toEqual([
    ['system:test', 'routeCreate'],
    ['system:test', 'routeTrafficSet'],
    ['system:test', 'routeDelete'],
  ])
  expect(entries.map(({ reason }) => reason)).toEqual(['made', 'switched', null])
  expect(entries[1]?.changes.map((change) => change.field)).toEqual(['targets'])
  expect(entries[2]?.changes).toContainEqual({ field: 'name', before: '"r"', after: null })
})

test('renaming a route changes nothing for keys and grants, and frees its name', async () => {
  await using control = await openWithBackends()
  const id = await make(control)
  const ownerId = valueOf(await createUser(control, administrator, { name: 'ada' }))
  const key = valueOf(await createApiKey(control, administrator, { name: 'k', ownerId, routeIds: [id] }))
  valueOf(
    await setRouteAccess(control, administrator, {
      route: { id },
      access: { policy: 'RESTRICTED', userIds: [ownerId] },
    }),
  )
  valueOf(await updateRoute(control, administrator, { route: { name: 'r' }, name: 's' }))
  const { routesByName, apiKeysById } = control.snapshots.current()
  expect([routesByName.get('r'), routesByName.get('s')?.id]).toEqual([undefined, id])
  expect(routesByName.get('s')?.access.userIds).toEqual(new Set([ownerId]))
  expect(apiKeysById.get(key.apiKeyId)?.routeIds).toEqual([id])
  const other = await make(control)
  expect(refusalOf(await updateRoute(control, administrator, { route: { id: other }, name: 's' }))).toMatchObject({
    code: 'TAKEN',
    path: ['input', 'name'],
  })
  await expectCompiledWhole(control)
})

test('a route is made once per idempotency key, whatever it waits for; another input is refused', async () => {
  await using control = await openWithBackends()
  const input = { name: 'r', targets: [on('a')], idempotencyKey: 'k' }
  const first = valueOf(await createRoute(control, administrator, input))
  const reordered = { idempotencyKey: 'k', targets: [on('a')], name: 'r', waitFor: 'COMMITTED' } as const
  expect(valueOf(await createRoute(control, administrator, reordered))).toBe(first)
  const other = await createRoute(control, administrator, { ...input, targets: [on('b')] })
  expect(refusalOf(other)).toMatchObject({ code: 'IDEMPOTENCY_KEY_REUSED', path: ['input', 'idempotencyKey'] })
  // Of another caller it is another key.
  const stranger = { ...administrator, id: 'system:other' }
  expect(refusalOf(await createRoute(control, stranger, input))).toMatchObject({ code: 'TAKEN' })
  // A refused creation does not use it up.
  const refused = { name: 'bad name', targets: [on('a')], idempotencyKey: 'l' }
  expect(refusalOf(await createRoute(control, administrator, refused)).code).toBe('INVALID')
  valueOf(await createRoute(control, administrator, { ...refused, name: 'good-name' }))
  // After 24 hours it is a new one.
  await control.db
    .updateTable('idempotency_key')
    .set({ created_at: new Date(Date.now() - 86_500_000) })
    .execute()
  expect(refusalOf(await createRoute(control, administrator, input)).code).toBe('TAKEN')
})

test('many routes are switched in one version, all or none, and the fault names its item', async () => {
  await using control = await openWithBackends()
  const ids = [
    await make(control, { name: 'r0' }),
    await make(control, { name: 'r1' }),
    await make(control, { name: 'r2' }),
  ]
  const { version } = control.snapshots.current()
  const change = (i: number, weight: number) => ({ route: { name: `r${i}` }, weights: [at('a', weight)] })
  const bulk = (...changes: Parameters<typeof setRouteTrafficBulk>[2]['changes']) =>
    setRouteTrafficBulk(control, administrator, { changes })

  expect(await bulk(change(2, 5), change(0, 6), change(1, 7))).toMatchObject({
    ok: true,
    value: [ids[2], ids[0], ids[1]],
    version: version + 1,
  })
  const faults = [
    [await bulk(change(0, 9), change(1, 0)), ['changes', '1', 'weights'], 'INVALID'],
    [await bulk(change(0, 9), change(9, 1)), ['changes', '1', 'route'], 'NOT_FOUND'],
    [
      await bulk(change(0, 9), { ...change(1, 1), expectedRevision: 1 }),
      ['changes', '1', 'expectedRevision'],
      'REVISION_CONFLICT',
    ],
    [
      await bulk(change(0, 9), { route: { name: 'r1' }, weights: [at('z', 1)] }),
      ['changes', '1', 'weights', '0', 'target'],
      'NOT_FOUND',
    ],
    [await bulk(change(0, 9), { route: { id: ids[0]! }, weights: [at('b', 1)] }), ['changes', '1', 'route'], 'INVALID'],
    [
      await bulk({ ...change(0, 9), expectedRevision: 2 }, { ...change(0, 8), expectedRevision: 2 }),
      ['changes', '1', 'route'],
      'INVALID',
    ],
    [
      await setRouteTrafficBulk(control, administrator, { changes: [change(0, 9)], reason: 'x'.repeat(1_025) }),
      ['reason'],
      'INVALID',
    ],
    [await bulk(), ['changes'], 'LIMIT_EXCEEDED'],
    [await bulk(...Array.from({ length: 101 }, () => change(0, 1))), ['changes'], 'LIMIT_EXCEEDED'],
  ] as const
  for (const [answer, path, code] of faults) expect(refusalOf(answer)).toMatchObject({ code, path: ['input', ...path] })
  expect(ids.map((id) => weightsOf(control, id)[0])).toEqual([
    ['a', 6],
    ['a', 7],
    ['a', 5],
  ])
  expect(control.snapshots.current().version).toBe(version + 1)
  await expectCompiledWhole(control)
})

test('of an unknown route every command says so', async () => {
  await using control = await openWithBackends()
  const route = { name: 'nowhere' }
  const answers: Answer<unknown>[] = [
    await setRouteTraffic(control, administrator, { route, weights: [] }),
    await setRouteTargets(control, administrator, { route, targets: [] }),
    await addRouteTarget(control, administrator, { route, target: on('a') }),
    await setRouteFallback(control, administrator, { route }),
    await setRouteAccess(control, administrator, { route, access: { policy: 'PUBLIC' } }),
    await updateRoute(control, administrator, { route, name: 'x' }),
    await rollbackRoute(control, administrator, { route, toRevision: 1 }),
    await removeRoute(control, administrator, { route: { id: 'rte_00000000000000000000000000' } }),
  ]
  for (const answer of answers) expect(refusalOf(answer)).toMatchObject({ code: 'NOT_FOUND', path: ['input', 'route'] })
})
