import { expect, test } from 'vitest'
import { createDeployment, type DeploymentCreateInput } from '../../../src/control/deployment/create.ts'
import { removeDeployment } from '../../../src/control/deployment/delete.ts'
import { setDeploymentEndpointState } from '../../../src/control/deployment/endpoint-changes.ts'
import { updateDeployment } from '../../../src/control/deployment/update.ts'
import { createRoute } from '../../../src/control/route/create.ts'
import { setRouteFallback } from '../../../src/control/route/fallback.ts'
import { addRouteTarget, replaceRouteTarget } from '../../../src/control/route/targets.ts'
import type { DeploymentBackend } from '../../../src/routing/config/snapshot.ts'
import {
  administrator,
  expectCompiledWhole,
  openTestControl,
  refusalOf,
  type TestControl,
  valueOf,
} from '../../support/control.ts'

const url = 'http://10.0.0.1:8000/v1'

function create(control: TestControl, input: Partial<DeploymentCreateInput> = {}) {
  return createDeployment(control, administrator, { name: 'd', endpoints: [{ url }], ...input })
}

function deploymentOf(control: TestControl, id: string): DeploymentBackend {
  const backend = control.snapshots.current().backends.get(id)
  if (backend?.kind !== 'deployment') throw new Error(`${id} is not there`)
  return backend
}

test('a deployment comes with a route of its name, in one version', async () => {
  await using control = await openTestControl()
  const answer = await create(control, { categories: ['EMBEDDING'], engine: 'VLLM', secret: 'sk-0123456789' })
  const { deploymentId, routeId } = valueOf(answer)
  expect(answer.version).toBe(1)
  expect(deploymentOf(control, deploymentId)).toMatchObject({
    upstreamModel: 'd',
    engine: 'VLLM',
    healthCheck: { path: '/health' },
    loadBalancing: 'LEAST_IN_FLIGHT',
    queue: { maxWaiting: 0, maxWaitMs: 0 },
    secret: 'sk-0123456789',
    endpoints: [{ url, weight: 1, maxInFlight: null, state: 'ACTIVE' }],
  })
  expect(control.snapshots.current().routesById.get(routeId!)).toMatchObject({
    name: 'd',
    categories: ['EMBEDDING'],
    targets: [{ backendId: deploymentId, weight: 100 }],
    access: { policy: 'AUTHENTICATED' },
  })
  const rows = JSON.stringify([
    await control.db.selectFrom('audit_entry').selectAll().execute(),
    await control.db.selectFrom('deployment').selectAll().execute(),
  ])
  expect(rows).not.toContain('sk-0123')
  await expectCompiledWhole(control)
})

test('the route is left out if it is not wanted, and is as open as asked', async () => {
  await using control = await openTestControl()
  expect(valueOf(await create(control, { name: 'alone', enableModelRoute: false })).routeId).toBeNull()
  const { routeId } = valueOf(await create(control, { routeAccess: { policy: 'PUBLIC' } }))
  expect(control.snapshots.current().routesById.get(routeId!)?.access.policy).toBe('PUBLIC')
})

test('nothing is made if the route cannot be: neither with a name that is taken nor with one that it cannot have', async () => {
  await using control = await openTestControl()
  const { deploymentId } = valueOf(await create(control, { name: 'first', enableModelRoute: false }))
  valueOf(await createRoute(control, administrator, { name: 'd', targets: [{ backend: { id: deploymentId } }] }))
  expect(refusalOf(await create(control))).toMatchObject({ code: 'TAKEN', path: ['input', 'name'] })
  expect(refusalOf(await create(control, { name: 'my model' }))).toMatchObject({
    code: 'INVALID',
    path: ['input', 'name'],
  })
  const access = { policy: 'PUBLIC', userIds: ['usr_x'] } as const
  expect(refusalOf(await create(control, { name: 'e', routeAccess: access }))).toMatchObject({
    code: 'NOT_FOUND',
    path: ['input', 'routeAccess', 'userIds', '0'],
  })
  expect(control.snapshots.current().backends.size).toBe(1)
  valueOf(await create(control, { name: 'my model', enableModelRoute: false }))
})

test('a policy without a list, given with a list, is refused at the access of the route', async () => {
  await using control = await openTestControl()
  const [{ id }] = [
    await control.db
      .insertInto('app_user')
      .values({ id: 'usr_00000000000000000000000000', name: 'ada', role: 'MEMBER' })
      .returning('id')
      .executeTakeFirstOrThrow(),
  ]
  const routeAccess = { policy: 'PUBLIC', userIds: [id] } as const
  expect(refusalOf(await create(control, { routeAccess }))).toMatchObject({ path: ['input', 'routeAccess', 'policy'] })
})

test.each([
  ['an endpoint twice', { endpoints: [{ url }, { url: `${url}/` }] }, 'INVALID', 'endpoints.1.url'],
  [
    'an endpoint that may not be called',
    { endpoints: [{ url: 'http://192.0.2.1/v1' }] },
    'UNSAFE_URL',
    'endpoints.0.url',
  ],
  ['an endpoint with a query', { endpoints: [{ url: `${url}?a=1` }] }, 'INVALID', 'endpoints.0.url'],
  ['ftp', { endpoints: [{ url: 'ftp://10.0.0.1/v1' }] }, 'INVALID', 'endpoints.0.url'],
  ['an endpoint without weight', { endpoints: [{ url, weight: 0 }] }, 'INVALID', 'endpoints.0.weight'],
  ['maxInFlight 0', { endpoints: [{ url, maxInFlight: 0 }] }, 'INVALID', 'endpoints.0.maxInFlight'],
  [
    '257 endpoints',
    { endpoints: Array.from({ length: 257 }, (_, i) => ({ url: `${url}/${i}` })) },
    'LIMIT_EXCEEDED',
    'endpoints',
  ],
  ['no category', { categories: [] }, 'INVALID', 'categories'],
  ['a check that nobody knows', { engine: 'OTHER', healthCheck: {} }, 'INVALID', 'healthCheck.path'],
  ['a check of another host', { healthCheck: { path: '//evil' } }, 'INVALID', 'healthCheck.path'],
  ['a queue below 0', { queue: { maxWaiting: -1, maxWaitMs: 0 } }, 'INVALID', 'queue.maxWaiting'],
  ['an empty secret', { secret: '' }, 'INVALID', 'secret'],
  ['a name with white space at its end', { name: 'd ' }, 'INVALID', 'name'],
] as const)('%s is refused at its place', async (_what, input, code, path) => {
  await using control = await openTestControl()
  expect(refusalOf(await create(control, input))).toMatchObject({ code, path: ['input', ...path.split('.')] })
  expect(control.snapshots.current().version).toBe(0)
})

test('endpoints are replaced as a list; one whose URL stays keeps its id', async () => {
  await using control = await openTestControl()
  const endpoints = [{ url: 'http://10.0.0.1/v1' }, { url: 'http://10.0.0.2/v1', weight: 3 }]
  const { deploymentId: id } = valueOf(await create(control, { endpoints }))
  const before = deploymentOf(control, id).endpoints
  const next = [
    { url: 'http://10.0.0.3/v1' },
    { url: 'http://10.0.0.2/v1/', weight: 4, maxInFlight: 7, state: 'DRAINING' as const },
  ]
  valueOf(await updateDeployment(control, administrator, { deployment: { id }, endpoints: next }))
  const [second, third] = deploymentOf(control, id).endpoints
  expect(second).toEqual({ id: before[1]?.id, url: 'http://10.0.0.2/v1', weight: 4, maxInFlight: 7, state: 'DRAINING' })
  expect(third).toMatchObject({ url: 'http://10.0.0.3/v1', weight: 1 })
  const same = await updateDeployment(control, administrator, {
    deployment: { id },
    endpoints: next,
    expectedRevision: 2,
  })
  expect(same.version).toBe(2)
  await expectCompiledWhole(control)
})

test('one endpoint is taken out and in; one that is gone is not found', async () => {
  await using control = await openTestControl()
  const { deploymentId: id } = valueOf(await create(control))
  const [endpoint] = deploymentOf(control, id).endpoints
  const input = { endpointId: endpoint!.id, state: 'DRAINING' } as const
  expect(await setDeploymentEndpointState(control, administrator, input)).toMatchObject({ value: id, version: 2 })
  expect(await setDeploymentEndpointState(control, administrator, input)).toMatchObject({ value: id, version: 2 })
  expect(deploymentOf(control, id).endpoints[0]?.state).toBe('DRAINING')
  valueOf(await updateDeployment(control, administrator, { deployment: { id }, endpoints: [] }))
  expect(refusalOf(await setDeploymentEndpointState(control, administrator, input))).toMatchObject({
    code: 'NOT_FOUND',
    path: ['input', 'endpointId'],
  })
})

test('a stored secret goes to no new host, unless it is given again or given up', async () => {
  await using control = await openTestControl()
  const { deploymentId: id } = valueOf(await create(control, { secret: 'sk-0123456789' }))
  const deployment = { id }
  const endpoints = [{ url }, { url: 'http://10.0.0.2/v1' }]
  expect(refusalOf(await updateDeployment(control, administrator, { deployment, endpoints }))).toMatchObject({
    code: 'FAILED_PRECONDITION',
    path: ['input', 'endpoints', '1', 'url'],
  })
  valueOf(
    await updateDeployment(control, administrator, { deployment, endpoints: [{ url: 'http://10.0.0.1:8000/v2' }] }),
  )
  valueOf(await updateDeployment(control, administrator, { deployment, endpoints, secret: 'sk-0123456789' }))
  valueOf(await updateDeployment(control, administrator, { deployment, secret: null }))
  expect(deploymentOf(control, id).secret).toBeNull()
})

test('an update changes what is given, and an explicit null takes away', async () => {
  await using control = await openTestControl()
  const pricing = { inputPerMillion: '0.50', outputPerMillion: '1' }
  const { deploymentId: id, routeId } = valueOf(await create(control, { engine: 'VLLM', pricing, description: 'old' }))
  const deployment = { name: 'd' }
  valueOf(await updateDeployment(control, administrator, { deployment, name: 'renamed', expectedRevision: 1 }))
  // Routes are left alone, and so is the model's name.
  expect(control.snapshots.current().routesById.get(routeId!)?.name).toBe('d')
  expect(deploymentOf(control, id)).toMatchObject({
    label: 'renamed',
    upstreamModel: 'd',
    healthCheck: { path: '/health' },
    pricing: { inputPerMillion: '0.5', outputPerMillion: '1', cachedInputPerMillion: null },
  })
  const input = {
    deployment: { id },
    pricing: null,
    healthCheck: null,
    state: 'DISABLED' as const,
    upstreamModel: 'qwen',
  }
  valueOf(await updateDeployment(control, administrator, input))
  expect(deploymentOf(control, id)).toMatchObject({
    pricing: null,
    healthCheck: null,
    state: 'DISABLED',
    upstreamModel: 'qwen',
  })
  expect(await updateDeployment(control, administrator, { ...input, pricing: null })).toMatchObject({ version: 3 })
  const conflict = await updateDeployment(control, administrator, { ...input, expectedRevision: 1 })
  expect(refusalOf(conflict)).toMatchObject({ code: 'REVISION_CONFLICT', actualRevision: 3, currentId: id })
  const unknown = await updateDeployment(control, administrator, { deployment })
  expect(refusalOf(unknown)).toMatchObject({ code: 'NOT_FOUND', path: ['input', 'deployment'] })
  await expectCompiledWhole(control)
})

test('deleting a deployment takes the route that was made with it', async () => {
  await using control = await openTestControl()
  const { deploymentId, routeId } = valueOf(await create(control))
  valueOf(await removeDeployment(control, administrator, { deployment: { name: 'd' }, expectedRevision: 1 }))
  expect(control.snapshots.current().backends.size).toBe(0)
  expect(control.snapshots.current().routesById.size).toBe(0)
  const entries = await control.db.selectFrom('audit_entry').select(['subject_id', 'action']).orderBy('id').execute()
  expect(entries.slice(2)).toEqual([
    { subject_id: routeId, action: 'deploymentDelete' },
    { subject_id: deploymentId, action: 'deploymentDelete' },
  ])
  expect(refusalOf(await removeDeployment(control, administrator, { deployment: { name: 'd' } })).code).toBe(
    'NOT_FOUND',
  )
  await expectCompiledWhole(control)
})

test('a deployment that another route uses, or its own route with another target, stays', async () => {
  await using control = await openTestControl()
  const { deploymentId, routeId } = valueOf(await create(control))
  valueOf(await create(control, { name: 'e', enableModelRoute: false }))
  const remove = () => removeDeployment(control, administrator, { deployment: { id: deploymentId } })

  const other = valueOf(
    await createRoute(control, administrator, { name: 'r', targets: [{ backend: { deployment: 'd' }, weight: 1 }] }),
  )
  expect(refusalOf(await remove())).toMatchObject({
    code: 'IN_USE',
    path: ['input', 'deployment'],
    usedByIds: [routeId, other],
  })
  valueOf(
    await replaceRouteTarget(control, administrator, {
      route: { id: other },
      target: { deployment: 'd' },
      backend: { deployment: 'e' },
    }),
  )
  valueOf(
    await setRouteFallback(control, administrator, {
      route: { id: other },
      fallback: { backends: [{ deployment: 'd' }] },
    }),
  )
  expect(refusalOf(await remove())).toMatchObject({ code: 'IN_USE', usedByIds: [routeId, other] })
  valueOf(await setRouteFallback(control, administrator, { route: { id: other }, fallback: null }))

  valueOf(
    await addRouteTarget(control, administrator, { route: { id: routeId! }, target: { backend: { deployment: 'e' } } }),
  )
  expect(refusalOf(await remove())).toMatchObject({ code: 'IN_USE', usedByIds: [routeId] })
  await expectCompiledWhole(control)
})

test('the route outlives its deployment once it serves another one', async () => {
  await using control = await openTestControl()
  const { deploymentId, routeId } = valueOf(await create(control))
  valueOf(await create(control, { name: 'e', enableModelRoute: false }))
  const route = { id: routeId! }
  valueOf(
    await replaceRouteTarget(control, administrator, {
      route,
      target: { deployment: 'd' },
      backend: { deployment: 'e' },
    }),
  )
  valueOf(await removeDeployment(control, administrator, { deployment: { id: deploymentId } }))
  expect(control.snapshots.current().routesById.size).toBe(1)
  const row = await control.db.selectFrom('route').select('created_with_id').executeTakeFirstOrThrow()
  expect(row.created_with_id).toBeNull()
  await expectCompiledWhole(control)
})

test('with the same idempotency key one deployment and one route are made', async () => {
  await using control = await openTestControl()
  const answers = await Promise.all(
    Array.from({ length: 5 }, () => create(control, { idempotencyKey: 'k', secret: 'sk-0123456789' })),
  )
  const made = answers.map((answer) => valueOf(answer))
  expect(new Set(made.map((each) => `${each.deploymentId} ${each.routeId}`)).size).toBe(1)
  expect(control.snapshots.current().version).toBe(1)
})
