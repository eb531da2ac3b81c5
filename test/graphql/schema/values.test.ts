/** Values that are out of bounds are an error of the request, and never a fault of the server. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openTestApi, type TestApi } from '../support/open-api.ts'

let api: TestApi
beforeAll(async () => {
  api = await openTestApi()
})
afterAll(async () => {
  await api[Symbol.asyncDispose]()
})

/** Posts the text as it is: `JSON.stringify` would not write what a client can. */
async function post(query: string, variables: string) {
  const { status, body } = await api.graphql.post(`{"query":${JSON.stringify(query)},"variables":${variables}}`)
  expect(status).toBeLessThan(500)
  return body
}

describe('a variable', () => {
  test.each([
    ['Int', '2147483648'],
    ['Int', '-2147483649'],
    ['Int', '9007199254740993'],
    ['Int', '1e400'],
    ['Int', '1.5'],
    ['Int', '"1"'],
    ['Int', 'true'],
    ['Int', '[1, 2]'],
    ['Int', '{}'],
    ['String', '1'],
    ['String', '{"a": 1}'],
    ['String', '"a\\u0000b"'],
    ['String', '"\\ud800"'],
    ['String', '"\\udc00\\ud800"'],
    ['String', `"${'x'.repeat(65_537)}"`],
  ])('of type %s and value %s is refused', async (type, value) => {
    const argument = type === 'Int' ? 'first: $value' : 'search: $value'
    const body = await post(`query ($value: ${type}) { providers(${argument}) { totalCount } }`, `{"value": ${value}}`)
    expect(body.data).toBeUndefined()
    expect(body.errors?.map(({ extensions }) => extensions?.['code'])).toEqual(['BAD_USER_INPUT'])
  })

  test.each([
    '"10000-01-01T00:00:00Z"',
    '"+010000-01-01T00:00:00Z"',
    '"2026-02-30T00:00:00Z"',
    '"2026-13-01T00:00:00Z"',
    '"2026-01-01T25:00:00Z"',
    '"2026-01-01"',
    '"2026-01-01T00:00:00"',
    '"yesterday"',
    '"Infinity"',
    '1763806530123',
    '9007199254740993',
    'null',
    '{}',
  ])('of type DateTime and value %s is refused', async (value) => {
    const body = await post(
      'query ($value: DateTime!) { usage(range: { from: $value }) { truncated } }',
      `{"value": ${value}}`,
    )
    expect(body.data).toBeUndefined()
    expect(body.errors?.map(({ extensions }) => extensions?.['code'])).toEqual(['BAD_USER_INPUT'])
  })

  test.each([
    '"2026-11-22T10:15:30.123Z"',
    '"2026-11-22t10:15:30z"',
    '"2024-02-29T23:59:59.123456789+09:00"',
    '"0001-01-01T00:00:00Z"',
    '"9999-12-31T23:59:59.999Z"',
  ])('of type DateTime and value %s is an instant', async (value) => {
    const body = await post(
      'query ($value: DateTime!) { auditLog(range: { from: $value }) { pageInfo { hasNextPage } } }',
      `{"value": ${value}}`,
    )
    expect(body.errors).toBeUndefined()
  })
})

describe('a literal', () => {
  test.each([
    '{ providers(first: 2147483648) { totalCount } }',
    '{ providers(first: 1.5) { totalCount } }',
    '{ providers(first: "1") { totalCount } }',
    '{ providers(search: "a\\u0000") { totalCount } }',
    '{ providers(search: """a\u0000""") { totalCount } }',
    '{ usage(range: { from: "2026-02-30T00:00:00Z" }) { truncated } }',
    '{ apiKeys(state: SLEEPING) { totalCount } }',
  ])('%s is refused', async (query) => {
    const { status, body } = await api.graphql.post({ query })
    expect(status).toBeLessThan(500)
    expect(body.data ?? null).toBeNull()
    expect(body.errors).toHaveLength(1)
  })
})

describe('an id', () => {
  test.each([
    '',
    'x',
    'rte_',
    'rte_ZZZZ',
    '1',
    'usr_00000000000000000000000000',
    '../../etc/passwd',
    "' or 1=1 --",
    'x'.repeat(60_000),
  ])('%s is no object, and no fault', async (id) => {
    const body = await post(
      `query ($id: ID!) {
          node(id: $id) { id } nodes(ids: [$id, $id]) { id } requestLog(id: $id) { id }
          route(by: { id: $id }) { id } provider(by: { id: $id }) { id } deployment(by: { id: $id }) { id }
          auditLog(subjectId: $id) { edges { node { id } } }
        }`,
      JSON.stringify({ id }),
    )
    expect(body.errors).toBeUndefined()
    expect(body.data).toEqual({
      node: null,
      nodes: [null, null],
      requestLog: null,
      route: null,
      provider: null,
      deployment: null,
      auditLog: { edges: [] },
    })
  })

  test('of another type is a user error of a mutation', async () => {
    const { viewer } = await api.graphql.request<{ viewer: { actor: { id: string } } }>(
      '{ viewer { actor { ... on ApiKey { id } } } }',
    )
    const { body } = await api.graphql.post({
      query: `mutation ($id: ID!) {
        a: routeDelete(input: { route: { id: $id } }) { userErrors { code path } }
        b: userDelete(input: { id: $id }) { userErrors { code path } }
        c: deploymentEndpointStateSet(input: { endpointId: $id, state: ACTIVE }) { userErrors { code path } }
        d: routeCreate(input: { name: "x", targets: [{ backend: { id: $id } }] }) { userErrors { code path } }
      }`,
      variables: { id: viewer.actor.id },
    })
    expect(body.data).toEqual({
      a: { userErrors: [{ code: 'NOT_FOUND', path: ['input', 'route'] }] },
      b: { userErrors: [{ code: 'NOT_FOUND', path: ['input', 'id'] }] },
      c: { userErrors: [{ code: 'NOT_FOUND', path: ['input', 'endpointId'] }] },
      d: { userErrors: [{ code: 'NOT_FOUND', path: ['input', 'targets', '0', 'backend'] }] },
    })
  })

  test('more than 100 of them are refused', async () => {
    const body = await post(
      'query ($ids: [ID!]!) { nodes(ids: $ids) { id } }',
      JSON.stringify({ ids: Array.from({ length: 101 }, () => 'x') }),
    )
    expect(body.errors?.[0]?.extensions?.['code']).toBe('BAD_USER_INPUT')
  })
})

test('what is no URL, no name and no number of the right size is a user error with its place', async () => {
  const create = `mutation ($input: ProviderCreateInput!) { providerCreate(input: $input) { userErrors { code path } provider { id } } }`
  const faultOf = async (input: object) => {
    const body = await post(create, JSON.stringify({ input: { name: 'p', baseUrl: 'http://p.test/v1', ...input } }))
    expect(body.errors).toBeUndefined()
    const { userErrors, provider } = body.data!['providerCreate'] as {
      userErrors: { code: string; path: string[] }[]
      provider: unknown
    }
    expect(provider).toBeNull()
    return userErrors.map(({ code, path }) => `${code} ${path.join('.')}`)
  }
  expect(await faultOf({ baseUrl: 'no url' })).toEqual(['INVALID input.baseUrl'])
  expect(await faultOf({ baseUrl: 'http://user:secret@p.test/v1' })).toEqual(['INVALID input.baseUrl'])
  expect(await faultOf({ baseUrl: 'http://p.test' })).toEqual(['INVALID input.baseUrl'])
  expect(await faultOf({ baseUrl: `http://p.test/${'x'.repeat(3_000)}` })).toEqual(['INVALID input.baseUrl'])
  expect(await faultOf({ name: 'x'.repeat(300) })).toEqual(['INVALID input.name'])
  expect(await faultOf({ name: 'bell\u0007' })).toEqual(['INVALID input.name'])
  expect(await faultOf({ name: '' })).toEqual(['INVALID input.name'])
  const pricing = { inputPerMillion: '-1', outputPerMillion: '1' }
  expect(await faultOf({ models: [{ upstreamModel: 'm', pricing }] })).toEqual([
    'INVALID input.models.0.pricing.inputPerMillion',
  ])
})

test('none of it was a fault of the server', () => {
  expect(api.faults).toEqual([])
})
