import { request as httpRequest } from 'node:http'
import { getIntrospectionQuery } from 'graphql'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { graphqlFaults } from '../../../src/graphql/kit/fault.ts'
import { addDeployment } from '../support/objects.ts'
import { openTestApi, type TestApi } from '../support/open-api.ts'

let api: TestApi
beforeAll(async () => {
  api = await openTestApi()
})
afterAll(async () => {
  await api[Symbol.asyncDispose]()
})

const viewer = '{ viewer { scopes } }'

async function codeOf(query: string, variables: Record<string, unknown> = {}): Promise<unknown> {
  const { body } = await api.graphql.post({ query, variables })
  expect(body.errors).toHaveLength(1)
  return body.errors![0]!.extensions?.['code']
}

describe('the key', () => {
  test.each([
    ['none', {}],
    ['an unknown one', { authorization: 'Bearer sbx_00000000' }],
    ['one of another scheme', { authorization: 'Basic YWRtaW46YWRtaW4=' }],
    ['an empty one', { authorization: 'Bearer ' }],
    ['a very long one', { authorization: `Bearer ${'x'.repeat(5_000)}` }],
  ])('%s is answered 401 with a well-formed error, whatever the body', async (_, headers) => {
    for (const body of [JSON.stringify({ query: viewer }), 'no JSON', getIntrospectionQuery()]) {
      const response = await fetch(`${api.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body,
      })
      expect(response.status).toBe(401)
      expect(response.headers.get('www-authenticate')).toBe('Bearer')
      expect(await response.json()).toEqual({
        errors: [{ message: expect.any(String), extensions: { code: 'UNAUTHENTICATED' } }],
      })
    }
  })

  test('of a user who is disabled is refused at once', async () => {
    const { key, userId } = await api.makeKey('OPERATOR', ['CONFIG_READ'])
    const graphql = api.graphql.withKey(key)
    expect((await graphql.post({ query: viewer })).status).toBe(200)
    await api.graphql.change(
      `mutation ($id: ID!) { userUpdate(input: { id: $id, state: DISABLED }) { userErrors { code } } }`,
      { id: userId },
    )
    expect((await graphql.post({ query: viewer })).status).toBe(401)
  })

  test('that is revoked is refused at once', async () => {
    const { key, apiKeyId } = await api.makeKey('OPERATOR', ['CONFIG_READ'])
    await api.graphql.change(`mutation ($id: ID!) { apiKeyRevoke(input: { id: $id }) { userErrors { code } } }`, {
      id: apiKeyId,
    })
    expect((await api.graphql.withKey(key).post({ query: viewer })).status).toBe(401)
  })
})

describe('a request', () => {
  test.each([
    'text/plain',
    'application/graphql',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/jsonp',
  ])('with the content type %s is refused with 415', async (type) => {
    const { status, body, headers } = await api.graphql.post(JSON.stringify({ query: viewer }), {
      'content-type': type,
    })
    expect(status).toBe(415)
    expect(body.errors?.[0]?.extensions).toEqual({ code: 'UNSUPPORTED_MEDIA_TYPE' })
    expect(headers.get('x-request-id')).toBeTruthy()
  })

  test.each([
    'Application/JSON',
    'application/JSON',
    'application/json ; charset=utf-8',
    'application/json;charset=UTF-8',
  ])('with the content type %s is taken', async (type) => {
    const { status, body } = await api.graphql.post(JSON.stringify({ query: viewer }), { 'content-type': type })
    expect(status).toBe(200)
    expect(body.data).toHaveProperty('viewer')
  })

  test.each(['*/*', 'application/json', 'application/graphql-response+json', 'text/html, application/*;q=0.5'])(
    'without a query is refused with 400, also where the client accepts %s',
    async (accept) => {
      for (const text of ['{}', '{"query":null}']) {
        const { status, body } = await api.graphql.post(text, { accept })
        expect([status, body.errors?.[0]?.extensions]).toEqual([400, { code: 'BAD_REQUEST' }])
      }
      for (const search of ['', '?query=', `?query=${encodeURIComponent(viewer)}&variables=x`])
        expect(await get(`/graphql${search}`, accept)).toEqual([400, 'BAD_REQUEST'])
    },
  )

  test.each(['text/html', 'multipart/mixed', 'application/json; charset=utf-16', 'image/*;q=0.5'])(
    'whose answer may only be %s is refused with 406, and changes nothing',
    async (accept) => {
      const query = 'mutation { userCreate(input: { name: "not-acceptable" }) { userErrors { code } } }'
      const { status, body, headers } = await api.graphql.post({ query }, { accept })
      expect([status, body.errors?.[0]?.extensions]).toEqual([406, { code: 'NOT_ACCEPTABLE' }])
      expect(headers.get('x-request-id')).toBeTruthy()
      const { users } = await api.graphql.request<{ users: { totalCount: number } }>(
        '{ users(search: "not-acceptable") { totalCount } }',
      )
      expect(users.totalCount).toBe(0)
    },
  )

  test.each([
    ['no GraphQL', '{', {}],
    ['no document of this schema', '{ nothing }', {}],
    ['a wrong literal', '{ routes(first: "x") { totalCount } }', {}],
    ['a wrong variable', 'query ($a: Int) { routes(first: $a) { totalCount } }', { a: 'x' }],
    ['a variable that is null', `query ($a: String) { route(by: { name: $a }) { id } }`, { a: null }],
    ['too many aliases', `{ ${Array.from({ length: 51 }, (_, i) => `a${i}: viewer { scopes }`).join(' ')} }`, {}],
    [
      'too much',
      '{ routes(first: 100) { edges { node { revisions(first: 100) { edges { node { id number reason } } } } } } }',
      {},
    ],
  ])(
    'that is refused before it is run, for %s, is 400, but 200 as application/json',
    async (_what, query, variables) => {
      const statusAs = async (accept: string) => (await api.graphql.post({ query, variables }, { accept })).status
      expect(await statusAs('application/graphql-response+json')).toBe(400)
      expect(await statusAs('application/json')).toBe(200)
      expect(await statusAs('*/*')).toBe(200)
    },
  )

  test('of more than 1 MiB is refused with 413, with and without a length', async () => {
    const body = JSON.stringify({ query: viewer, variables: { text: 'x'.repeat(1_100_000) } })
    expect(await statusOf(body, { 'content-length': String(body.length) })).toBe(413)
    expect(await statusOf(body, { 'transfer-encoding': 'chunked' })).toBe(413)
  })

  test('with several operations in an array is refused', async () => {
    const { status, body } = await api.graphql.post([{ query: viewer }, { query: viewer }])
    expect(status).toBe(400)
    expect(body.errors).toHaveLength(1)
  })

  test('that is no JSON is refused with 400', async () => {
    expect((await api.graphql.post('{"query": ')).status).toBe(400)
    expect((await api.graphql.post('null')).status).toBe(400)
    expect((await api.graphql.post('{"query": 1}')).status).toBe(400)
  })

  test.each([
    ['no JSON', '{"query": '],
    ['an array', '[{"query":"{ viewer { scopes } }"}]'],
    ['with an unknown member', '{"query":"{ viewer { scopes } }","id":1}'],
    ['with a name that none of its operations has', '{"query":"query a { viewer { scopes } }","operationName":"b"}'],
    ['too large', `{"query":"${' '.repeat(1_100_000)}"}`],
    ['no GraphQL', '{"query":"{"}'],
    ['asking for what there is not', '{"query":"{ nothing }"}'],
    [
      'with variables that do not fit',
      '{"query":"query ($a: Int) { routes(first: $a) { totalCount } }","variables":{"a":"x"}}',
    ],
    ['with two operations and no name', '{"query":"query a { viewer { scopes } } query b { viewer { scopes } }"}'],
  ])('that is %s has a code that docs/errors.md explains', async (_what, text) => {
    const { body } = await api.graphql.post(text)
    expect(Object.keys(graphqlFaults)).toContain(body.errors?.[0]?.extensions?.['code'])
  })

  test('never changes anything by GET', async () => {
    const query = encodeURIComponent('mutation { userCreate(input: { name: "by-get" }) { userErrors { code } } }')
    const response = await fetch(`${api.url}/graphql?query=${query}`, {
      headers: { authorization: `Bearer ${api.adminKey}` },
    })
    expect(response.status).toBe(405)
    const { users } = await api.graphql.request<{ users: { totalCount: number } }>(
      '{ users(search: "by-get") { totalCount } }',
    )
    expect(users.totalCount).toBe(0)
  })

  test.each(['PUT', 'DELETE', 'PATCH', 'OPTIONS'])('by %s is refused with 405', async (method) => {
    const response = await fetch(`${api.url}/graphql`, { method, headers: { authorization: `Bearer ${api.adminKey}` } })
    expect(response.status).toBe(405)
  })

  test('from another origin gets no permission to read the answer', async () => {
    const { headers } = await api.graphql.post({ query: viewer }, { origin: 'https://evil.test' })
    expect([...headers.keys()].filter((name) => name.startsWith('access-control-'))).toEqual([])
  })
})

describe('every answer', () => {
  test.each([
    ['/graphql', 'no-store'],
    // The page of GraphiQL holds no key and no data.
    ['/', 'no-cache'],
    ['/nothing-here', 'no-store'],
  ])('of %s carries the security headers', async (path, caching) => {
    const response = await fetch(api.url + path)
    await response.arrayBuffer()
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-security-policy': expect.stringContaining("frame-ancestors 'none'"),
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'referrer-policy': 'no-referrer',
      'cache-control': caching,
    })
  })

  test('of the API has a request id, the same for nobody else', async () => {
    const ids = await Promise.all(
      Array.from({ length: 20 }, async () => (await api.graphql.post({ query: viewer })).headers.get('x-request-id')),
    )
    expect(new Set(ids).size).toBe(20)
    expect(ids.every((id) => id !== null && id.length > 0)).toBe(true)
  })

  test.each([
    ['GET', '/nothing-here', 404, 'NOT_FOUND'],
    ['POST', '/nothing-here', 404, 'NOT_FOUND'],
    ['POST', '/', 405, 'BAD_REQUEST'],
    ['PUT', '/graphql', 405, 'BAD_REQUEST'],
  ])('to %s %s has a request id, and a body with a code', async (method, path, status, code) => {
    const response = await fetch(api.url + path, { method, headers: { authorization: `Bearer ${api.adminKey}` } })
    expect(response.status).toBe(status)
    expect(response.headers.get('x-request-id')).toBeTruthy()
    expect(await response.json()).toEqual({ errors: [{ message: expect.any(String), extensions: { code } }] })
  })

  test('tells what it cost', async () => {
    const { body } = await api.graphql.post({ query: '{ routes(first: 50) { edges { node { id } } } }' })
    expect(body.extensions?.['cost']).toEqual({ requested: 151, limit: 50_000 })
  })
})

describe('a document', () => {
  test('with too many tokens is refused', async () => {
    expect(await codeOf(`{ ${'viewer { scopes } '.repeat(4_000)} }`)).toBe('GRAPHQL_PARSE_FAILED')
  })

  test('with more fields than the validator compares is refused, and told why', async () => {
    const { body } = await api.graphql.post({ query: `{ ${'viewer { scopes } '.repeat(2_000)} }` })
    expect(body.errors).toEqual([
      { message: expect.stringContaining('too often'), extensions: { code: 'QUERY_TOO_COMPLEX' } },
    ])
  })

  test('with too many aliases is refused', async () => {
    const fields = Array.from({ length: 51 }, (_, i) => `a${i}: viewer { scopes }`)
    expect(await codeOf(`{ ${fields.join(' ')} }`)).toBe('QUERY_TOO_COMPLEX')
  })

  test('with too many directives is refused', async () => {
    const fields = Array.from({ length: 51 }, () => 'viewer @include(if: true) { scopes }')
    expect(await codeOf(`{ ${fields.join(' ')} }`)).toBe('QUERY_TOO_COMPLEX')
  })

  test('with too many mutation fields is refused, also through fragments', async () => {
    const fields = Array.from({ length: 21 }, (_, i) => `a${i}: userCreate(input: { name: "u${i}" }) { configVersion }`)
    expect(await codeOf(`mutation { ${fields.join(' ')} }`)).toBe('QUERY_TOO_COMPLEX')
    const fragments = fields.map((field, i) => `fragment F${i} on Mutation { ${field} }`)
    const spreads = fields.map((_, i) => `...F${i}`)
    expect(await codeOf(`mutation { ${spreads.join(' ')} } ${fragments.join(' ')}`)).toBe('QUERY_TOO_COMPLEX')
    const { users } = await api.graphql.request<{ users: { totalCount: number } }>(
      '{ users(search: "u0") { totalCount } }',
    )
    expect(users.totalCount).toBe(0)
  })

  test('that is too deep is refused', async () => {
    const deep = `${'targets { route { '.repeat(12)} id ${'} }'.repeat(12)}`
    expect(await codeOf(`{ route(by: { name: "x" }) { ${deep} } }`)).toBe('QUERY_TOO_COMPLEX')
  })

  test('that asks for too much is refused, and told how much it was', async () => {
    const pages =
      '{ routes(first: 100) { edges { node { revisions(first: 100) { edges { node { id number reason } } } } } } }'
    const { body } = await api.graphql.post({ query: pages })
    expect(body.errors?.[0]?.extensions?.['code']).toBe('QUERY_TOO_COMPLEX')
    expect(body.extensions?.['cost']).toEqual({ requested: expect.any(Number), limit: 50_000 })
  })

  test('with fragments that multiply is counted as what it asks for, and quickly', async () => {
    const fragments = Array.from({ length: 30 }, (_, i) => `fragment F${i} on Query { ...F${i + 1} ...F${i + 1} }`)
    const document = `{ ...F0 } ${fragments.join(' ')} fragment F30 on Query { viewer { scopes } }`
    expect(await codeOf(document)).toBe('QUERY_TOO_COMPLEX')
  })

  test('with two operations runs the one that is named, and none without a name', async () => {
    const query = 'query A { viewer { scopes } } query B { configStatus { version } }'
    const named = await api.graphql.post({ query, operationName: 'B' })
    expect(named.body.data).toEqual({ configStatus: { version: expect.any(Number) } })
    expect((await api.graphql.post({ query })).body.data).toBeUndefined()
    expect((await api.graphql.post({ query, operationName: 'C' })).body.data).toBeUndefined()
  })

  test('may be introspected by whoever has a key', async () => {
    const { key } = await api.makeKey('MEMBER', ['INFERENCE'])
    const { body } = await api.graphql.withKey(key).post({ query: getIntrospectionQuery() })
    expect(body.errors).toBeUndefined()
  })
})

test('what is wrong here is masked, and the log has it under the same request id', async () => {
  const id = await addDeployment(api.graphql, { name: 'to-be-broken' })
  // An engine that no version of this platform knows.
  await api.control.db
    .updateTable('deployment')
    .set({ engine: 'SECRET-ENGINE' as never })
    .where('id', '=', id)
    .execute()
  const { body, headers } = await api.graphql.post({ query: '{ deployment(by: { name: "to-be-broken" }) { engine } }' })
  const requestId = headers.get('x-request-id')
  expect(body.errors).toEqual([
    {
      message: expect.stringContaining(requestId!),
      path: ['deployment', 'engine'],
      locations: expect.any(Array),
      extensions: expect.objectContaining({ code: 'INTERNAL_SERVER_ERROR', requestId }),
    },
  ])
  expect(JSON.stringify(body)).not.toContain('SECRET-ENGINE')
  expect(api.faults).toEqual([expect.objectContaining({ requestId })])
})

async function get(path: string, accept: string): Promise<[number, unknown]> {
  const response = await fetch(api.url + path, { headers: { authorization: `Bearer ${api.adminKey}`, accept } })
  const { errors } = (await response.json()) as { errors: { extensions: { code: string } }[] }
  return [response.status, errors[0]!.extensions.code]
}

function statusOf(body: string, headers: Record<string, string>): Promise<number | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<number | undefined>()
  const request = httpRequest(
    `${api.url}/graphql`,
    {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${api.adminKey}`, ...headers },
    },
    (response) => {
      response.resume()
      resolve(response.statusCode)
    },
  )
  request.on('error', reject)
  request.end(body)
  return promise
}

test('a refusal has the media type that was asked for, and persisted-query clients are told to go on', async () => {
  const ask = (headers: Record<string, string>, body: object) =>
    fetch(`${api.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    })
  const query = '{ viewer { scopes } }'
  const asked = 'application/graphql-response+json,application/json;q=0.9'
  const named = await ask({ accept: asked }, { query })
  expect([named.status, named.headers.get('content-type')]).toEqual([
    401,
    'application/graphql-response+json; charset=utf-8',
  ])
  const plain = await ask({ accept: 'application/json' }, { query })
  expect([plain.status, plain.headers.get('content-type')]).toEqual([401, 'application/json; charset=utf-8'])
  const extensions = { persistedQuery: { version: 1, sha256Hash: 'a'.repeat(64) } }
  const persisted = await ask({ accept: asked, authorization: `Bearer ${api.adminKey}` }, { extensions })
  expect(await persisted.json()).toMatchObject({
    errors: [{ message: 'PersistedQueryNotSupported', extensions: { code: 'PERSISTED_QUERY_NOT_SUPPORTED' } }],
  })
  expect(persisted.status).toBe(200)
})
