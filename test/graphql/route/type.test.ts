import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { addDeployment, addProvider, addRoute, type MadeRoute } from '../support/objects.ts'
import { openTestApi, type TestApi } from '../support/open-api.ts'

interface UserErrorShape {
  readonly message: string
  readonly code: string
  readonly path: readonly string[] | null
}

let api: TestApi
beforeAll(async () => {
  api = await openTestApi()
  for (const name of ['blue', 'green', 'red']) await addDeployment(api.graphql, { name })
  await addProvider(api.graphql, { name: 'cloud', models: ['big', 'small'] })
})
afterAll(async () => {
  await api[Symbol.asyncDispose]()
})

interface RoutePayload {
  readonly userErrors: readonly (UserErrorShape & { readonly __typename: string; readonly [member: string]: unknown })[]
  readonly configVersion: number
  readonly route: {
    readonly id: string
    readonly revision: number
    readonly targets: readonly {
      readonly id: string
      readonly weight: number
      readonly share: number
      readonly backend: { readonly label: string }
    }[]
    readonly fallback: { readonly backends: readonly { readonly label: string }[] } | null
  } | null
}

/** Whatever the mutation answers, its user errors included. */
async function run(field: string, input: object): Promise<RoutePayload> {
  const type = `${field[0]!.toUpperCase()}${field.slice(1)}Input`
  const data = await api.graphql.request<Record<string, RoutePayload>>(
    `mutation ($input: ${type}!) { ${field}(input: $input) {
      userErrors {
        __typename message code path
        ... on RevisionConflictError { expectedRevision actualRevision current { id ... on Route { revision } } }
        ... on InUseError { usedBy { id } }
      }
      configVersion
      route { id revision targets { id weight share backend { label } } fallback { backends { label } } }
    } }`,
    { input },
  )
  return data[field]!
}

let made = 0
function makeRoute(more: object = {}): Promise<MadeRoute & { name: string }> {
  const name = `route-${++made}`
  const targets = [
    { backend: { deployment: 'blue' }, weight: 100 },
    { backend: { deployment: 'green' }, weight: 200 },
  ]
  return addRoute(api.graphql, { name, targets, ...more }).then((route) => ({ ...route, name }))
}

const weigh = (deployment: string, weight: number) => ({ target: { deployment }, weight })
const weightsOf = (payload: RoutePayload) => payload.route?.targets.map(({ weight }) => weight)

describe('switching', () => {
  test('sets all weights at once, and those that are not listed to 0', async () => {
    const { name } = await makeRoute()
    const payload = await run('routeTrafficSet', { route: { name }, weights: [weigh('green', 7)] })
    expect(payload.route).toMatchObject({
      revision: 2,
      targets: [
        { weight: 0, share: 0 },
        { weight: 7, share: 1 },
      ],
    })
  })

  test('to what it is already succeeds without a new revision or version', async () => {
    const { name } = await makeRoute()
    const before = api.control.snapshots.current().version
    const payload = await run('routeTrafficSet', {
      route: { name },
      weights: [weigh('blue', 100), weigh('green', 200)],
    })
    expect(payload).toMatchObject({ userErrors: [], configVersion: before, route: { revision: 1 } })
  })

  test('of 50 parallel sets with the same expectation exactly one wins, and the others see what it did', async () => {
    const { name, id } = await makeRoute()
    const payloads = await Promise.all(
      Array.from({ length: 50 }, (_, i) =>
        run('routeTrafficSet', { route: { name }, expectedRevision: 1, weights: [weigh('blue', i + 1)] }),
      ),
    )
    const [winners, losers] = [
      payloads.filter((p) => p.userErrors.length === 0),
      payloads.filter((p) => p.userErrors.length > 0),
    ]
    expect(winners).toHaveLength(1)
    expect(winners[0]?.route?.revision).toBe(2)
    for (const { userErrors, route } of losers) {
      expect(route).toBeNull()
      expect(userErrors).toEqual([
        {
          __typename: 'RevisionConflictError',
          code: 'REVISION_CONFLICT',
          message: expect.any(String),
          path: ['input', 'expectedRevision'],
          expectedRevision: 1,
          actualRevision: 2,
          current: { id, revision: 2 },
        },
      ])
    }
  })

  test('many routes is all or nothing, and the fault names its item', async () => {
    const [one, two] = [await makeRoute(), await makeRoute()]
    const bulk = async (changes: object[]) =>
      (
        await api.graphql.request<{
          routeTrafficBulkSet: { userErrors: UserErrorShape[]; routes: { revision: number }[] | null }
        }>(
          `mutation ($changes: [RouteTrafficChangeInput!]!) { routeTrafficBulkSet(input: { changes: $changes }) {
            userErrors { code path message } routes { revision }
          } }`,
          { changes },
        )
      ).routeTrafficBulkSet
    const bad = await bulk([
      { route: { name: one.name }, weights: [weigh('blue', 1)] },
      { route: { name: two.name }, weights: [weigh('blue', 1), weigh('green', 1_000_001)] },
    ])
    expect(bad.routes).toBeNull()
    expect(bad.userErrors).toMatchObject([
      { code: 'INVALID', path: ['input', 'changes', '1', 'weights', '1', 'weight'] },
    ])
    const version = api.control.snapshots.current().version
    const good = await bulk([one, two].map(({ name }) => ({ route: { name }, weights: [weigh('blue', 1)] })))
    expect(good).toMatchObject({ userErrors: [], routes: [{ revision: 2 }, { revision: 2 }] })
    expect(api.control.snapshots.current().version).toBe(version + 1)
  })

  test.each([
    ['no weight above 0', { weights: [] }, 'INVALID', ['input', 'weights']],
    [
      'a target twice',
      { weights: [weigh('blue', 1), weigh('blue', 2)] },
      'INVALID',
      ['input', 'weights', '1', 'target'],
    ],
    ['an unknown target', { weights: [weigh('red', 1)] }, 'NOT_FOUND', ['input', 'weights', '0', 'target']],
    ['a negative weight', { weights: [weigh('blue', -1)] }, 'INVALID', ['input', 'weights', '0', 'weight']],
  ])('with %s is refused with its place', async (_, input, code, path) => {
    const { name } = await makeRoute()
    const { userErrors, route } = await run('routeTrafficSet', { route: { name }, ...input })
    expect(route).toBeNull()
    expect(userErrors).toMatchObject([{ code, path }])
  })
})

describe('targets', () => {
  test('keep their ids when the list is replaced and their backend stays', async () => {
    const { name, targets } = await makeRoute()
    const { route } = await run('routeTargetsSet', {
      route: { name },
      targets: [
        { backend: { deployment: 'red' }, weight: 1 },
        { backend: { deployment: 'green' }, weight: 2 },
      ],
    })
    expect(route?.targets.map(({ backend }) => backend.label).toSorted()).toEqual(['green', 'red'])
    expect(route?.targets.find(({ backend }) => backend.label === 'green')?.id).toBe(targets[1]!.id)
  })

  test('are added, replaced and removed one by one, with one revision each', async () => {
    const { name } = await makeRoute()
    const added = await run('routeTargetAdd', { route: { name }, target: { backend: { deployment: 'red' } } })
    expect(weightsOf(added)).toEqual([100, 200, 100])
    const replaced = await run('routeTargetReplace', {
      route: { name },
      target: { deployment: 'green' },
      backend: { providerModel: { provider: 'cloud', model: 'big' } },
    })
    expect(replaced.route).toMatchObject({ revision: 3 })
    expect(replaced.route?.targets.map(({ backend, weight }) => `${backend.label} ${weight}`).toSorted()).toEqual([
      'blue 100',
      'cloud/big 200',
      'red 100',
    ])
    const removed = await run('routeTargetRemove', { route: { name }, target: { deployment: 'blue' } })
    expect(removed.route?.targets).toHaveLength(2)
  })

  test('are not a fallback at the same time, whichever comes second', async () => {
    const { name } = await makeRoute()
    const asFallback = await run('routeFallbackSet', {
      route: { name },
      fallback: { backends: [{ deployment: 'blue' }] },
    })
    expect(asFallback.userErrors).toMatchObject([{ code: 'INVALID', path: ['input', 'fallback', 'backends', '0'] }])
    await run('routeFallbackSet', { route: { name }, fallback: { backends: [{ deployment: 'red' }] } })
    const asTarget = await run('routeTargetAdd', { route: { name }, target: { backend: { deployment: 'red' } } })
    expect(asTarget.userErrors).toMatchObject([{ code: 'INVALID' }])
  })
})

describe('history', () => {
  test('tells who, why and what, and a rollback makes a new revision equal to the old one', async () => {
    const { name, id } = await makeRoute({
      fallback: { backends: [{ providerModel: { provider: 'cloud', model: 'small' } }] },
    })
    await run('routeTrafficSet', { route: { name }, weights: [weigh('blue', 1)], reason: 'try blue' })
    await run('routeFallbackSet', { route: { name }, fallback: null })
    const back = await run('routeRollback', { route: { name }, toRevision: 1, reason: 'blue was worse' })
    expect(back.route).toMatchObject({ revision: 4, fallback: { backends: [{ label: 'cloud/small' }] } })
    expect(weightsOf(back)).toEqual([100, 200])
    await api.graphql.change(
      `mutation ($id: ID!) { routeDelete(input: { route: { id: $id } }) { userErrors { code } deletedId } }`,
      { id },
    )
    const { auditLog } = await api.graphql.request<{
      auditLog: { edges: { node: { action: string; subject: object | null; changes: { field: string }[] } }[] }
    }>(
      `query ($id: ID!) { auditLog(subjectId: $id) { edges { node { action subject { id } actor { ... on ApiKey { name } } reason changes { field before after } } } } }`,
      { id },
    )
    expect(auditLog.edges.map(({ node }) => node.action)).toEqual([
      'routeDelete',
      'routeRollback',
      'routeFallbackSet',
      'routeTrafficSet',
      'routeCreate',
    ])
    expect(auditLog.edges[3]?.node).toMatchObject({
      subject: null,
      actor: { name: 'SIGNALBOX_ADMIN_KEY' },
      reason: 'try blue',
      changes: [{ field: 'targets' }],
    })
  })

  test('stays readable by its ids after the route was deleted', async () => {
    const { name, id } = await makeRoute()
    const { route } = await api.graphql.request<{ route: { revisions: { edges: { node: { id: string } }[] } } }>(
      `{ route(by: { name: "${name}" }) { revisions { edges { node { id } } } } }`,
    )
    await api.graphql.change(
      `mutation ($id: ID!) { routeDelete(input: { route: { id: $id } }) { userErrors { code } } }`,
      { id },
    )
    const { node } = await api.graphql.request<{ node: object }>(
      `query ($id: ID!) { node(id: $id) { ... on RouteRevision { number kind targets { backendLabel weight backend { label } } } } }`,
      { id: route.revisions.edges[0]!.node.id },
    )
    expect(node).toMatchObject({
      number: 1,
      kind: 'CREATED',
      targets: [{ backendLabel: 'blue' }, { backendLabel: 'green' }],
    })
  })
})

describe('a create', () => {
  const create = `mutation ($input: RouteCreateInput!) { routeCreate(input: $input) { userErrors { code path message } route { id } } }`
  type Created = { routeCreate: { userErrors: UserErrorShape[]; route: { id: string } | null } }
  const targets = [{ backend: { deployment: 'blue' } }]

  test('with the same idempotency key makes one route, however often and in parallel it comes', async () => {
    const input = { name: 'once', targets, idempotencyKey: 'the-same' }
    const answers = await Promise.all(Array.from({ length: 10 }, () => api.graphql.request<Created>(create, { input })))
    expect(new Set(answers.map(({ routeCreate }) => routeCreate.route?.id)).size).toBe(1)
    const other = await api.graphql.request<Created>(create, { input: { ...input, name: 'twice' } })
    expect(other.routeCreate.userErrors).toMatchObject([
      { code: 'IDEMPOTENCY_KEY_REUSED', path: ['input', 'idempotencyKey'] },
    ])
  })

  test('of a name that is taken is refused at the name, also if both come at once', async () => {
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => api.graphql.request<Created>(create, { input: { name: 'wanted', targets } })),
    )
    const refused = answers.filter(({ routeCreate }) => routeCreate.route === null)
    expect(refused).toHaveLength(9)
    for (const { routeCreate } of refused)
      expect(routeCreate.userErrors).toMatchObject([{ code: 'TAKEN', path: ['input', 'name'] }])
  })

  test('that fails leaves nothing behind', async () => {
    const before = await api.graphql.request<{ routes: { totalCount: number } }>('{ routes { totalCount } }')
    const { routeCreate } = await api.graphql.request<Created>(create, {
      input: { name: 'half', targets: [...targets, { backend: { deployment: 'nowhere' } }] },
    })
    expect(routeCreate).toMatchObject({
      route: null,
      userErrors: [{ code: 'NOT_FOUND', path: ['input', 'targets', '1', 'backend'] }],
    })
    expect(await api.graphql.request('{ routes { totalCount } }')).toEqual(before)
  })
})

describe('what is in use', () => {
  test('cannot be deleted, and the error names who uses it', async () => {
    await addDeployment(api.graphql, { name: 'used' })
    const { id } = await makeRoute({ targets: [{ backend: { deployment: 'used' } }] })
    const { body } = await api.graphql.post({
      query: `mutation { deploymentDelete(input: { deployment: { name: "used" } }) {
        deletedId userErrors { code ... on InUseError { usedBy { id __typename } } }
      } }`,
    })
    expect(body.data).toEqual({
      deploymentDelete: { deletedId: null, userErrors: [{ code: 'IN_USE', usedBy: [{ id, __typename: 'Route' }] }] },
    })
  })

  test('a deployment takes the route that was made with it along', async () => {
    await addDeployment(api.graphql, { name: 'with-route', enableModelRoute: true })
    const { body } = await api.graphql.post({
      query: `mutation { deploymentDelete(input: { deployment: { name: "with-route" } }) { deletedId userErrors { code } query { route(by: { name: "with-route" }) { id } } } }`,
    })
    expect(body.data).toMatchObject({ deploymentDelete: { userErrors: [], query: { route: null } } })
  })

  test('routes of a backend and routes by filter are the same', async () => {
    const data = await api.graphql.request<{
      deployment: { routes: { totalCount: number; edges: { node: { id: string } }[] } }
      routes: { totalCount: number; edges: { node: { id: string } }[] }
    }>(`{
      deployment(by: { name: "red" }) { routes(first: 100) { totalCount edges { node { id } } } }
      routes(first: 100, filter: { backend: { deployment: "red" } }) { totalCount edges { node { id } } }
    }`)
    expect(data.deployment.routes).toEqual(data.routes)
    expect(data.routes.totalCount).toBeGreaterThan(0)
    const none = await api.graphql.request<{ routes: { totalCount: number } }>(
      '{ routes(filter: { backend: { deployment: "nowhere" } }) { totalCount } }',
    )
    expect(none.routes.totalCount).toBe(0)
  })
})

test('the fields of one operation run in order, and each reads what the one before it did', async () => {
  const { name } = await makeRoute()
  const { body } = await api.graphql.post({
    query: `mutation {
      a: routeTrafficSet(input: { route: { name: "${name}" }, weights: [{ target: { deployment: "blue" }, weight: 1 }] }) { route { revision targets { weight } } }
      b: routeTrafficSet(input: { route: { name: "${name}" }, weights: [{ target: { deployment: "blue" }, weight: 0 }] }) { userErrors { code } route { revision } query { route(by: { name: "${name}" }) { revision } } }
      c: routeTrafficSet(input: { route: { name: "${name}" }, weights: [{ target: { deployment: "green" }, weight: 3 }] }) { route { revision targets { weight } } }
    }`,
  })
  expect(body.data).toEqual({
    a: { route: { revision: 2, targets: [{ weight: 1 }, { weight: 0 }] } },
    b: { userErrors: [{ code: 'INVALID' }], route: null, query: { route: { revision: 2 } } },
    c: { route: { revision: 3, targets: [{ weight: 0 }, { weight: 3 }] } },
  })
})

test('a route that is disabled has no ready targets, and has them again when it is enabled', async () => {
  const { name, id } = await makeRoute()
  const readyAfter = async (state: string) => {
    const { route } = await api.graphql.change<{ route: { readyTargets: number } }>(
      `mutation ($id: ID!, $state: ServingState) {
        routeUpdate(input: { route: { id: $id }, state: $state }) { route { readyTargets } userErrors { code path message } }
      }`,
      { id, state },
    )
    const data = await api.graphql.request<{ route: { readyTargets: number } }>(
      `{ route(by: { name: "${name}" }) { readyTargets } }`,
    )
    expect(data.route).toEqual(route)
    return route.readyTargets
  }
  expect([await readyAfter('DISABLED'), await readyAfter('ACTIVE')]).toEqual([0, 2])
})

test('what the gateways report shows as availability, health and explanation', async () => {
  const { name, targets } = await makeRoute()
  const ask = () =>
    api.graphql.request<{ route: Record<string, unknown>; routeExplain: Record<string, unknown> }>(`{
      route(by: { name: "${name}" }) { readyTargets targets { availability backend { health { circuit lastError retryAt } ... on Deployment { readyEndpoints endpoints { id inFlight } } } } }
      routeExplain(input: { model: "${name}" }) { refusal refusalCode candidates { target { id } probability availability } }
    }`)
  const before = await ask()
  expect(before.route).toMatchObject({
    readyTargets: 2,
    targets: [{ availability: 'AVAILABLE', backend: { health: null } }, {}],
  })
  expect(before.routeExplain).toMatchObject({ refusal: 401, refusalCode: 'invalid_api_key' })
  const [{ backend }] = before.route['targets'] as [{ backend: { endpoints: [{ id: string }] } }]
  api.live.health.set(backend.endpoints[0].id, {
    circuit: 'OPEN',
    consecutiveFailures: 5,
    retryAtMs: Date.UTC(2027, 0, 1),
    ejectedAtMs: Date.now(),
    lastError: 'refused',
    observedAtMs: Date.now(),
  })
  const after = await ask()
  api.live.health.clear()
  expect(after.route).toMatchObject({
    readyTargets: 1,
    targets: [
      {
        availability: 'UNHEALTHY',
        backend: {
          readyEndpoints: 0,
          health: { circuit: 'OPEN', lastError: 'refused', retryAt: '2027-01-01T00:00:00.000Z' },
        },
      },
      { availability: 'AVAILABLE' },
    ],
  })
  const { key: _key, apiKeyId } = await api.makeKey('MEMBER', ['INFERENCE'])
  const allowed = await api.graphql.request<{ routeExplain: { refusal: null; candidates: { probability: number }[] } }>(
    `query ($id: ID) { routeExplain(input: { model: "${name}", apiKeyId: $id }) { refusal candidates { target { id } probability } } }`,
    { id: apiKeyId },
  )
  expect(allowed.routeExplain).toEqual({
    refusal: null,
    candidates: [
      { target: { id: targets[0]!.id }, probability: expect.closeTo(1 / 3) },
      { target: { id: targets[1]!.id }, probability: expect.closeTo(2 / 3) },
    ],
  })
})

test('none of it was a fault of the server', () => {
  expect(api.faults).toEqual([])
})
