import { sql } from 'kysely'
import { expect, test } from 'vitest'
import type { Answer } from '../../../src/control/kit/context.ts'
import { createDeployment } from '../../../src/control/deployment/create.ts'
import { removeDeployment } from '../../../src/control/deployment/delete.ts'
import { createRoute } from '../../../src/control/route/create.ts'
import { removeRoute } from '../../../src/control/route/delete.ts'
import { updateRoute } from '../../../src/control/route/update.ts'
import { setRouteFallback } from '../../../src/control/route/fallback.ts'
import { addRouteTarget, removeRouteTarget, setRouteTargets } from '../../../src/control/route/targets.ts'
import { setRouteTraffic, setRouteTrafficBulk } from '../../../src/control/route/traffic.ts'
import { createSnapshotStore } from '../../../src/server/following/snapshot-store.ts'
import {
  administrator,
  expectCompiledWhole,
  openTestControl,
  refusalOf,
  type TestControl,
  valueOf,
} from '../../support/control.ts'
import { until } from '../../support/until.ts'

async function openWithRoutes(...names: string[]): Promise<TestControl> {
  const control = await openTestControl()
  for (const name of ['a', 'b']) {
    const endpoints = [{ url: 'http://10.0.0.1/v1' }]
    valueOf(await createDeployment(control, administrator, { name, endpoints, enableModelRoute: false }))
  }
  const targets = [{ backend: { deployment: 'a' } }, { backend: { deployment: 'b' } }]
  for (const name of names) valueOf(await createRoute(control, administrator, { name, targets }))
  return control
}

const weights = (a: number, b: number) => [
  { target: { deployment: 'a' }, weight: a },
  { target: { deployment: 'b' }, weight: b },
]

function winners(answers: readonly Answer<unknown>[]): number {
  return answers.filter((answer) => answer.ok).length
}

test('of 50 parallel sets with the same expectation exactly one wins, and the others see what it made', async () => {
  await using control = await openWithRoutes('r')
  // Two processes, each with a snapshot of its own.
  const controls = [control, { ...control, snapshots: createSnapshotStore() }]
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, i) =>
      setRouteTraffic(controls[i % 2]!, administrator, {
        route: { name: 'r' },
        expectedRevision: 1,
        weights: weights(i, 1_000),
      }),
    ),
  )
  expect(winners(answers)).toBe(1)
  const route = await control.db.selectFrom('route').selectAll().executeTakeFirstOrThrow()
  for (const answer of answers.filter((each) => !each.ok))
    expect(refusalOf(answer)).toMatchObject({
      code: 'REVISION_CONFLICT',
      path: ['input', 'expectedRevision'],
      expectedRevision: 1,
      actualRevision: 2,
      currentId: route.id,
    })
  expect(route.revision).toBe(2)
  expect(await control.db.selectFrom('route_revision').select('number').execute()).toHaveLength(2)
})

test('the compare-and-swap is the same for each command on a route', async () => {
  await using control = await openWithRoutes('r')
  const route = { name: 'r' }
  let expectedRevision = 1
  const racers: ((i: number) => Promise<Answer<unknown>>)[] = [
    (i) =>
      setRouteTargets(control, administrator, {
        route,
        expectedRevision,
        targets: [{ backend: { deployment: 'a' }, weight: i + 1 }],
      }),
    () => addRouteTarget(control, administrator, { route, expectedRevision, target: { backend: { deployment: 'b' } } }),
    (i) => setRouteTraffic(control, administrator, { route, expectedRevision, weights: weights(i + 10, i + 20) }),
    () => removeRouteTarget(control, administrator, { route, expectedRevision, target: { deployment: 'b' } }),
    () =>
      setRouteFallback(control, administrator, {
        route,
        expectedRevision,
        fallback: { backends: [{ deployment: 'b' }] },
      }),
    (i) => updateRoute(control, administrator, { route, expectedRevision, description: `by ${i}` }),
  ]
  for (const race of racers) {
    const answers = await Promise.all(Array.from({ length: 8 }, (_, i) => race(i)))
    expect(winners(answers)).toBe(1)
    expectedRevision++
  }
  const answers = await Promise.all(
    Array.from({ length: 8 }, () => removeRoute(control, administrator, { route, expectedRevision })),
  )
  expect(winners(answers)).toBe(1)
  await expectCompiledWhole(control)
})

test('sets without an expectation all succeed, one revision each, none left out', async () => {
  await using control = await openWithRoutes('r')
  const answers = await Promise.all(
    Array.from({ length: 30 }, (_, i) =>
      setRouteTraffic(control, administrator, { route: { name: 'r' }, weights: weights(i + 1, 1_000) }),
    ),
  )
  expect(winners(answers)).toBe(30)
  expect(new Set(answers.map((answer) => answer.version)).size).toBe(30)
  const revisions = await control.db.selectFrom('route_revision').select('number').orderBy('number').execute()
  expect(revisions.map((revision) => revision.number)).toEqual(Array.from({ length: 31 }, (_, i) => i + 1))
  await expectCompiledWhole(control)
})

test('bulk switches of the same routes in opposite orders all succeed', async () => {
  const names = ['r0', 'r1', 'r2', 'r3', 'r4', 'r5']
  await using control = await openWithRoutes(...names)
  const answers = await Promise.all(
    Array.from({ length: 12 }, (_, i) => {
      const changes = names.map((name) => ({ route: { name }, weights: weights(i + 1, 1_000) }))
      return setRouteTrafficBulk(control, administrator, { changes: i % 2 === 0 ? changes : changes.toReversed() })
    }),
  )
  expect(winners(answers)).toBe(12)
  const revisions = await control.db.selectFrom('route').select('revision').execute()
  expect(revisions.map((row) => row.revision)).toEqual(names.map(() => 13))
  await expectCompiledWhole(control)
})

test('a deployment that is removed while a route takes it is either taken or gone, never half', async () => {
  await using control = await openWithRoutes('r')
  for (let round = 0; round < 10; round++) {
    const name = `d${round}`
    const endpoints = [{ url: 'http://10.0.0.1/v1' }]
    valueOf(await createDeployment(control, administrator, { name, endpoints, enableModelRoute: false }))
    const [added, removed] = await Promise.all([
      addRouteTarget(control, administrator, { route: { name: 'r' }, target: { backend: { deployment: name } } }),
      removeDeployment(control, administrator, { deployment: { name } }),
    ])
    expect(added.ok).not.toBe(removed.ok)
    // Each loser is told what stopped it: the deployment is gone, or a route uses it.
    expect(refusalOf(added.ok ? removed : added).code).toBe(added.ok ? 'IN_USE' : 'NOT_FOUND')
    await expectCompiledWhole(control)
  }
})

test.each<[string, (control: TestControl) => Promise<Answer<unknown>>]>([
  [
    'takes it as a target',
    (control) =>
      addRouteTarget(control, administrator, { route: { name: 'r' }, target: { backend: { deployment: 'gone' } } }),
  ],
  [
    'takes it as a fallback',
    (control) =>
      setRouteFallback(control, administrator, {
        route: { name: 'r' },
        fallback: { backends: [{ deployment: 'gone' }] },
      }),
  ],
  [
    'is made with it',
    (control) => createRoute(control, administrator, { name: 's', targets: [{ backend: { deployment: 'gone' } }] }),
  ],
])('a deployment is deleted while a route %s: it is not found, and no use is reported', async (_what, use) => {
  await using control = await openWithRoutes('r')
  const endpoints = [{ url: 'http://10.0.0.1/v1' }]
  valueOf(await createDeployment(control, administrator, { name: 'gone', endpoints, enableModelRoute: false }))
  // Deleted, and not yet committed: whoever looks still sees the deployment.
  const [deleted, commit] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const removing = removeDeployment(
    {
      ...control,
      beforeCommit: () => {
        deleted.resolve()
        return commit.promise
      },
    },
    administrator,
    { deployment: { name: 'gone' } },
  )
  await deleted.promise
  const using = use(control)
  await until(async () => (await countLockWaits(control)) > 0)
  commit.resolve()
  valueOf(await removing)
  expect(refusalOf(await using)).toMatchObject({ code: 'NOT_FOUND', message: expect.stringContaining('deleted') })
  await expectCompiledWhole(control)
})

/** Statements of the test's database that wait for another transaction. */
async function countLockWaits(control: TestControl): Promise<number> {
  const { rows } = await sql<{ waiting: number }>`
    select count(*)::int as waiting from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'
  `.execute(control.db)
  return rows[0]!.waiting
}
