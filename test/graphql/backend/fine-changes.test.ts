/** Changes of one part of an object, and what the history says of them. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { addDeployment, addProvider, addRoute } from '../support/objects.ts'
import { openTestApi, type TestApi } from '../support/open-api.ts'

let api: TestApi
beforeAll(async () => {
  api = await openTestApi()
})
afterAll(async () => {
  await api[Symbol.asyncDispose]()
})

const errors = 'userErrors { code path message }'
const change = <T>(name: string, input: object, fields: string) =>
  api.graphql.change<T>(
    `mutation ($input: ${name[0]!.toUpperCase()}${name.slice(1)}Input!) { ${name}(input: $input) { ${errors} ${fields} } }`,
    { input },
  )

test('an endpoint is added, changed and removed, and the others stay as they are', async () => {
  await addDeployment(api.graphql, {
    name: 'gpu',
    endpoints: [{ url: 'http://10.0.0.1:8000/v1', weight: 7, maxInFlight: 4, state: 'DRAINING' }],
  })
  const fields = 'deployment { revision endpoints { id url weight maxInFlight state } }'
  interface Answer {
    deployment: { revision: number; endpoints: { id: string; url: string }[] }
  }
  const first = { url: 'http://10.0.0.1:8000/v1', weight: 7, maxInFlight: 4, state: 'DRAINING' }
  const added = await change<Answer>(
    'deploymentEndpointAdd',
    { deployment: { name: 'gpu' }, expectedRevision: 1, endpoint: { url: 'http://10.0.0.2:8000/v1' }, reason: 'more' },
    fields,
  )
  expect(added.deployment).toMatchObject({
    revision: 2,
    endpoints: [first, { url: 'http://10.0.0.2:8000/v1', weight: 1, maxInFlight: null, state: 'ACTIVE' }],
  })
  const endpointId = added.deployment.endpoints[1]!.id
  const updated = await change<Answer>('deploymentEndpointUpdate', { endpointId, maxInFlight: 9 }, fields)
  expect(updated.deployment.endpoints).toMatchObject([first, { weight: 1, maxInFlight: 9, state: 'ACTIVE' }])
  const removed = await change<Answer>('deploymentEndpointRemove', { endpointId }, fields)
  expect(removed.deployment).toMatchObject({ revision: 4, endpoints: [first] })
  // The whole list keeps what is omitted and has no default.
  const endpoints = [{ url: 'http://10.0.0.1:8000/v1' }, { url: 'http://10.0.0.3:8000/v1' }]
  const whole = await change<Answer>('deploymentUpdate', { deployment: { name: 'gpu' }, endpoints }, fields)
  expect(whole.deployment.endpoints).toMatchObject([{ maxInFlight: 4 }, { maxInFlight: null }])
})

test('models and secrets of a provider are changed one by one, and prices stay', async () => {
  const pricing = { inputPerMillion: '0.10', outputPerMillion: '2.50' }
  await addProvider(api.graphql, { name: 'paid', models: [] })
  const provider = { name: 'paid' }
  const fields = `provider { models { upstreamModel categories pricing { inputPerMillion outputPerMillion } } credentials { id hint } }`
  interface Answer {
    provider: { models: object[]; credentials: { id: string; hint: string }[] }
  }
  await change('providerModelAdd', { provider, model: { upstreamModel: 'a', pricing, categories: ['IMAGE'] } }, fields)
  const twice = await api.graphql.post({
    query: `mutation { providerModelAdd(input: { provider: { name: "paid" }, model: { upstreamModel: "a" } }) { ${errors} } }`,
  })
  expect(twice.body.data).toMatchObject({
    providerModelAdd: { userErrors: [{ code: 'TAKEN', path: ['input', 'model', 'upstreamModel'] }] },
  })
  const shown = {
    upstreamModel: 'a',
    categories: ['IMAGE'],
    pricing: { inputPerMillion: '0.1', outputPerMillion: '2.5' },
  }
  const whole = await change<Answer>(
    'providerUpdate',
    { provider, models: [{ upstreamModel: 'a' }, { upstreamModel: 'b' }] },
    fields,
  )
  expect(whole.provider.models).toMatchObject([shown, { upstreamModel: 'b', pricing: null }])
  const model = { provider: 'paid', model: 'b' }
  const updated = await change<Answer>('providerModelUpdate', { model, pricing }, fields)
  expect(updated.provider.models).toMatchObject([shown, { upstreamModel: 'b', pricing: shown.pricing }])
  const removed = await change<Answer>('providerModelRemove', { model }, fields)
  expect(removed.provider.models).toEqual([shown])

  await change('providerCredentialAdd', { provider, secret: 'sk-first-1111' }, fields)
  const both = await change<Answer>(
    'providerCredentialAdd',
    { provider, secret: 'sk-second-2222', preferred: true },
    fields,
  )
  expect(both.provider.credentials).toMatchObject([{ hint: '2222' }, { hint: '1111' }])
  const { id } = both.provider.credentials[0]!
  const left = await change<Answer>('providerCredentialRemove', { id }, fields)
  expect(left.provider.credentials).toMatchObject([{ hint: '1111' }])
})

test('the audit log names its actors for ever, in the order of the versions, and an operator may read it', async () => {
  const admin = await api.makeKey('ADMIN', ['CONFIG_WRITE', 'CONFIG_READ', 'ADMIN'])
  const gone = api.graphql.withKey(admin.key)
  await addDeployment(gone, { name: 'audited' })
  const route = await addRoute(gone, { name: 'audited', targets: [{ backend: { deployment: 'audited' } }] })
  await api.graphql.change(`mutation ($id: ID!) { userDelete(input: { id: $id, reason: "left" }) { ${errors} } }`, {
    id: admin.userId,
  })
  const { key } = await api.makeKey('OPERATOR', ['CONFIG_READ'])
  const operator = api.graphql.withKey(key)
  interface Entry {
    action: string
    actor: object | null
    actorId: string
    actorLabel: string
    configVersion: number
    reason: string | null
  }
  const seen = await operator.request<{
    auditLog: { edges: { node: Entry }[] }
    route: { revisions: { edges: { node: Entry }[] } }
  }>(
    `query ($actors: [ID!], $name: String!) {
      auditLog(filter: { actorIds: $actors }) { edges { node { action actor { __typename } actorId actorLabel configVersion } } }
      route(by: { name: $name }) { revisions { edges { node { actor { __typename } actorId actorLabel configVersion } } } }
    }`,
    { actors: [admin.apiKeyId], name: 'audited' },
  )
  const entries = seen.auditLog.edges.map(({ node }) => node)
  expect(entries.map(({ action }) => action)).toEqual(['routeCreate', 'deploymentCreate'])
  for (const entry of [...entries, ...seen.route.revisions.edges.map(({ node }) => node)])
    expect(entry).toMatchObject({
      actor: null,
      actorId: admin.apiKeyId,
      actorLabel: expect.stringMatching(/^user-.* \(user-.*\)$/),
    })
  expect(entries[0]!.configVersion).toBe(entries[1]!.configVersion + 1)
  const byAction = await operator.request<{ auditLog: { edges: { node: Entry }[] } }>(
    `query ($ids: [ID!]) { auditLog(filter: { actions: ["userDelete"], subjectIds: $ids }) { edges { node { reason action } } } }`,
    { ids: [admin.userId, route.id] },
  )
  expect(byAction.auditLog.edges).toEqual([{ node: { reason: 'left', action: 'userDelete' } }])
  const { key: memberKey } = await api.makeKey('MEMBER', ['USAGE_READ'])
  const { body } = await api.graphql.withKey(memberKey).post({ query: '{ auditLog { edges { cursor } } }' })
  expect(body.errors?.[0]?.extensions?.['code']).toBe('FORBIDDEN')
})

test('who follows the audit log by its cursors misses nothing while many write at once', async () => {
  const head = await api.graphql.request<{ auditLog: { pageInfo: { startCursor: string } } }>(
    '{ auditLog(first: 1) { pageInfo { startCursor } } }',
  )
  let cursor = head.auditLog.pageInfo.startCursor
  const followed: { action: string; configVersion: number }[] = []
  const follow = async () => {
    const { auditLog } = await api.graphql.request<{
      auditLog: { edges: { cursor: string; node: { action: string; configVersion: number } }[] }
    }>(
      'query ($before: String) { auditLog(last: 100, before: $before) { edges { cursor node { action configVersion } } } }',
      { before: cursor },
    )
    followed.push(...auditLog.edges.map(({ node }) => node).toReversed())
    cursor = auditLog.edges[0]?.cursor ?? cursor
  }
  const end = new AbortController()
  const writers = Array.from({ length: 24 }, (_, n) =>
    api.graphql.change(`mutation { userCreate(input: { name: "tail ${n}" }) { ${errors} } }`),
  )
  const following = (async () => {
    while (!end.signal.aborted) await follow()
  })()
  await Promise.all(writers)
  end.abort()
  await following
  await follow()
  expect(followed.map(({ action }) => action)).toEqual(Array.from({ length: 24 }, () => 'userCreate'))
  const versions = followed.map(({ configVersion }) => configVersion)
  expect(versions).toEqual(versions.toSorted((a, b) => a - b))
})

test('lists are ordered as asked, page by page, and a cursor of one order is none of another', async () => {
  for (const name of ['order-c', 'order-a', 'order-b']) await addDeployment(api.graphql, { name })
  const names: string[] = []
  let after: string | null = null
  do {
    const page: {
      deployments: { edges: { cursor: string; node: { name: string } }[]; pageInfo: { hasNextPage: boolean } }
    } = await api.graphql.request(
      `query ($after: String) { deployments(first: 2, after: $after, search: "ORDER-", orderBy: { field: NAME, direction: DESC }) {
          edges { cursor node { name } } pageInfo { hasNextPage } } }`,
      { after },
    )
    names.push(...page.deployments.edges.map(({ node }) => node.name))
    after = page.deployments.pageInfo.hasNextPage ? page.deployments.edges.at(-1)!.cursor : null
    const { body } = await api.graphql.post({
      query: 'query ($after: String) { deployments(after: $after) { edges { cursor } } }',
      variables: { after: page.deployments.edges.at(-1)!.cursor },
    })
    expect(body.errors?.[0]?.extensions?.['code']).toBe('BAD_USER_INPUT')
  } while (after !== null)
  expect(names).toEqual(['order-c', 'order-b', 'order-a'])
  await api.graphql.change(
    `mutation { deploymentUpdate(input: { deployment: { name: "order-a" }, description: "new" }) { ${errors} } }`,
  )
  const { deployments } = await api.graphql.request<{ deployments: { edges: { node: { name: string } }[] } }>(
    '{ deployments(first: 1, orderBy: { field: UPDATED_AT, direction: DESC }) { edges { node { name } } } }',
  )
  expect(deployments.edges).toEqual([{ node: { name: 'order-a' } }])
})

test('names are one if they look the same, have nothing unseen, and are found whatever their case', async () => {
  const nfd = 'Cafe\u0301 \u0416'
  await addDeployment(api.graphql, { name: nfd, endpoints: [{ url: 'http://10.0.0.9/v1' }], upstreamModel: 'm' })
  const tried = async (name: string) => {
    const { body } = await api.graphql.post({
      query: `mutation ($input: ProviderCreateInput!) { providerCreate(input: $input) { ${errors} } }`,
      variables: { input: { name, baseUrl: 'http://10.0.0.9/v1', models: [{ upstreamModel: 'x/y' }] } },
    })
    return (body.data as { providerCreate: { userErrors: { code: string }[] } }).providerCreate.userErrors[0]?.code
  }
  for (const unseen of [
    '\u200b',
    '\u200d',
    '\u202e',
    '\u2066',
    '\ufeff',
    '\u00ad',
    '\u3164',
    '\ufe0f',
    '\u2028',
    '\u00a0',
    '\u0085',
  ])
    expect({ unseen, code: await tried(`a${unseen}b`) }).toEqual({ unseen, code: 'INVALID' })
  const { deployments } = await api.graphql.request<{ deployments: { edges: { node: { name: string } }[] } }>(
    'query ($search: String) { deployments(search: $search) { edges { node { name } } } }',
    { search: 'CAFÉ ж' },
  )
  expect(deployments.edges).toEqual([{ node: { name: nfd.normalize('NFC') } }])
  // A label of a provider's model is no other backend's, however it comes about.
  expect(await tried('team')).toBeUndefined()
  expect(await tried('team/x')).toBeUndefined()
  for (const input of [{ name: 'team/x/y' }, { name: 'team/x/x/y' }]) {
    const { body } = await api.graphql.post({
      query: `mutation ($input: DeploymentCreateInput!) { deploymentCreate(input: $input) { ${errors} } }`,
      variables: { input: { ...input, enableModelRoute: false, endpoints: [] } },
    })
    expect(body.data).toMatchObject({ deploymentCreate: { userErrors: [{ code: 'TAKEN', path: ['input', 'name'] }] } })
  }
})

test('an answer that is given again says so if what was made is gone', async () => {
  await addDeployment(api.graphql, { name: 'replayed' })
  const query = `mutation { routeCreate(input: { name: "replayed", targets: [{ backend: { deployment: "replayed" } }], idempotencyKey: "k" }) {
    ${errors} route { name } } }`
  await api.graphql.change(query)
  await api.graphql.change(`mutation { routeDelete(input: { route: { name: "replayed" } }) { ${errors} } }`)
  const { body } = await api.graphql.post({ query })
  expect(body.data).toMatchObject({ routeCreate: { route: null, userErrors: [{ code: 'NOT_FOUND' }] } })
})

test('scopes and state of a key say what is so while its owner is demoted or disabled', async () => {
  const { apiKeyId: id, userId } = await api.makeKey('OPERATOR', ['INFERENCE', 'CONFIG_WRITE'])
  const look = async () => {
    const { apiKey } = await api.graphql.request<{ apiKey: object }>(
      'query ($id: ID!) { apiKey(id: $id) { scopes grantedScopes state } }',
      { id },
    )
    return apiKey
  }
  const set = (fields: string) =>
    api.graphql.change(`mutation ($id: ID!) { userUpdate(input: { id: $id, ${fields} }) { ${errors} } }`, {
      id: userId,
    })
  const grantedScopes = ['INFERENCE', 'CONFIG_WRITE']
  expect(await look()).toEqual({ scopes: grantedScopes, grantedScopes, state: 'ACTIVE' })
  await set('role: MEMBER')
  expect(await look()).toEqual({ scopes: ['INFERENCE'], grantedScopes, state: 'ACTIVE' })
  await set('state: DISABLED')
  expect(await look()).toMatchObject({ state: 'SUSPENDED' })
  const { apiKeys } = await api.graphql.request<{ apiKeys: { edges: { node: { id: string } }[] } }>(
    '{ apiKeys(state: SUSPENDED) { edges { node { id } } } }',
  )
  expect(apiKeys.edges).toEqual([{ node: { id } }])
})
