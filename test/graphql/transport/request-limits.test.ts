/** No value of a variable switches off what bounds an operation, and none that does not fit lets a part of it run. */
import { createClient as createWebSocketClient } from 'graphql-ws'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { until } from '../../support/until.ts'
import { addDeployment, addRoute } from '../support/objects.ts'
import { openTestApi, type TestApi } from '../support/open-api.ts'

type Variables = Record<string, unknown>

interface Answer {
  readonly data?: unknown
  readonly errors?: readonly {
    readonly message: string
    readonly locations?: readonly unknown[]
    readonly extensions?: Readonly<Record<string, unknown>>
  }[]
  readonly extensions?: Readonly<Record<string, unknown>>
}

let api: TestApi
beforeAll(async () => {
  api = await openTestApi()
  await addDeployment(api.graphql, { name: 'deployment' })
  await addRoute(api.graphql, { name: 'route', targets: [{ backend: { deployment: 'deployment' } }] })
})
afterEach(async () => {
  await until(() => api.live.watchers.size === 0 && api.live.snapshotListeners() === 0)
})
afterAll(async () => {
  await api[Symbol.asyncDispose]()
})

const overHttp = async (query: string, variables: Variables): Promise<Answer> =>
  (await api.graphql.post({ query, variables })).body

const overEvents = async (query: string, variables: Variables): Promise<Answer> => {
  const response = await fetch(`${api.url}/graphql`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'text/event-stream',
      authorization: `Bearer ${api.adminKey}`,
    },
    body: JSON.stringify({ query, variables }),
    signal: AbortSignal.timeout(5_000),
  })
  return JSON.parse(/^data: (.+)$/m.exec(await response.text())![1]!) as Answer
}

const overWebSocket = async (query: string, variables: Variables): Promise<Answer> => {
  const client = createWebSocketClient({
    url: `${api.url.replace('http', 'ws')}/graphql`,
    connectionParams: { authorization: `Bearer ${api.adminKey}` },
    webSocketImpl: WebSocket,
    retryAttempts: 0,
  })
  const events = client.iterate({ query, variables })
  try {
    return (await events.next()).value as Answer
  } catch (errors) {
    // What is wrong before the operation comes as a message of its own.
    return { errors: errors as NonNullable<Answer['errors']> }
  } finally {
    await client.dispose()
  }
}

const transports = [
  ['HTTP', overHttp],
  ['server-sent events', overEvents],
  ['WebSocket', overWebSocket],
] as const

const range = 'range: { from: "2026-01-01T00:00:00Z" }'
const tooMuch =
  'routes(first: 100) { edges { node { targets { backend { routes(first: 100) { totalCount edges { node { id name } } } } } } } }'
const deepRoute = `{ ${'targets { route { '.repeat(12)} id ${'} }'.repeat(12)} }`
const tooDeep = `route(by: { name: "route" }) ${deepRoute}`

type Misfit = readonly [what: string, type: string, field: string, argument: string, variables: Variables]

/** A variable that is null, or was not given, where null cannot be. */
const misfits: readonly Misfit[] = [
  ['an argument with a default', 'Int', `usage(${range}, limit: $v) { truncated }`, 'usage(limit:)', { v: null }],
  [
    'an argument, instead of the default of the variable',
    'Int = 5',
    `usage(${range}, limit: $v) { truncated }`,
    'usage(limit:)',
    { v: null },
  ],
  [
    'an argument that is a list',
    '[UsageDimension!]',
    `usage(${range}, groupBy: $v) { truncated }`,
    'usage(groupBy:)',
    { v: null },
  ],
  [
    'an element of a list',
    'ModelCategory = LLM',
    'x: routes(filter: { categories: [$v] }) { totalCount }',
    'routes(filter:)',
    { v: null },
  ],
  [
    'a member with a default',
    'String',
    'routeExplain(input: { model: "x", operation: $v }) { refusal }',
    'operation',
    { v: null },
  ],
  ['the only member', 'String', 'x: route(by: { name: $v }) { id }', 'route(by:)', { v: null }],
  ['the only member, which was not given', 'String', 'x: route(by: { name: $v }) { id }', 'route(by:)', {}],
  ['@include of a field', 'Boolean = true', 'viewer @include(if: $v) { scopes }', '@include(if:)', { v: null }],
  ['@skip of a field', 'Boolean = true', 'viewer { scopes @skip(if: $v) }', '@skip(if:)', { v: null }],
  [
    '@include of an inline fragment',
    'Boolean = true',
    '... @include(if: $v) { viewer { scopes } }',
    '@include(if:)',
    { v: null },
  ],
  ['@skip of a fragment', 'Boolean = false', '...F @skip(if: $v)', '@skip(if:)', { v: null }],
  ['an argument in a fragment', 'Int = 5', '...G', 'usage(limit:)', { v: null }],
]

const fragments: Readonly<Record<string, string>> = {
  '...F': 'fragment F on Query { viewer { scopes } }',
  '...G': `fragment G on Query { usage(${range}, limit: $v) { truncated } }`,
}

function documentOf(type: string, fields: string): string {
  const used = Object.entries(fragments).filter(([spread]) => fields.includes(spread))
  return `query ($v: ${type}) { ${fields} } ${used.map(([, fragment]) => fragment).join(' ')}`
}

describe.each(transports)('over %s', (transport, ask) => {
  test.each(misfits)(
    'null for %s is refused, and nothing beside it is run',
    async (_what, type, field, argument, variables) => {
      for (const sibling of ['configStatus { version }', tooMuch, tooDeep])
        for (const fields of [`${sibling} ${field}`, `${field} ${sibling}`]) {
          const statements = api.statements.length
          const answer = await ask(documentOf(type, fields), variables)
          expect(answer.data).toBeUndefined()
          expect(answer.errors).toEqual([
            {
              message: expect.stringContaining(argument),
              locations: [expect.any(Object)],
              extensions: { code: 'BAD_USER_INPUT' },
            },
          ])
          expect(api.statements).toHaveLength(statements)
        }
    },
  )

  test.each([
    ['Int', 'intervalMs: $v'],
    ['Int = 1000', 'intervalMs: $v'],
    ['Int = 5000', 'windowMs: $v'],
  ])('null of type %s for %s of a subscription is refused', async (type, argument) => {
    for (const fields of ['sequence', `route ${deepRoute}`]) {
      const query = `subscription ($v: ${type}) { routeTraffic(by: { name: "route" }, ${argument}) { ${fields} } }`
      const { data, errors } = await ask(query, { v: null })
      expect(data).toBeUndefined()
      expect(errors).toMatchObject([
        { message: expect.stringContaining('routeTraffic('), extensions: { code: 'BAD_USER_INPUT' } },
      ])
    }
  })

  test('a subscription that is too deep or asks for too much is refused', async () => {
    const backend =
      '{ targets { backend { routes(first: 100) { edges { node { id targets { backend { routes(first: 100) { totalCount edges { node { id name } } } } } } } } } } }'
    for (const fields of [`route ${backend}`, `route ${deepRoute}`]) {
      const { data, errors } = await ask(`subscription { routeTraffic(by: { name: "route" }) { ${fields} } }`, {})
      expect(data).toBeUndefined()
      expect(errors).toMatchObject([{ extensions: { code: 'QUERY_TOO_COMPLEX' } }])
    }
  })

  test('a variable that an object would not keep is refused: what it costs would not be what is run', async () => {
    const query = 'query ($__proto__: Int = 1) { routes(first: $__proto__) { edges { node { id } } } }'
    for (const variables of [{}, JSON.parse('{"__proto__": 1}') as Variables])
      expect((await ask(query, variables)).errors).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT' } }])
  })

  test('what is no GraphQL has a code', async () => {
    // A document of its own, or the answer would be one that was kept.
    const { errors } = await ask(`{ viewer { # over ${transport}`, {})
    expect(errors).toMatchObject([{ extensions: { code: 'GRAPHQL_PARSE_FAILED' } }])
  })
})

test.each([
  ['HTTP', (query: string, variables: Variables) => overHttp(query, variables)],
  ['WebSocket', (query: string, variables: Variables) => overWebSocket(query, variables)],
] as const)('over %s what is thousands of levels deep is refused before it exhausts the stack', async (_how, ask) => {
  const faults = api.faults.length
  for (const [open, close] of [
    ['... { ', '}'],
    ['node(id: [', '])'],
    ['a(b: {c: ', '})'],
  ] as const) {
    const query = `{ ${open.repeat(4_000)} viewer { scopes } ${close.repeat(4_000)} }`
    expect((await ask(query, {})).errors).toMatchObject([{ extensions: { code: 'QUERY_TOO_COMPLEX' } }])
  }
  let deep: unknown = 'x'
  for (let level = 0; level < 1_000; level++) deep = [deep]
  const { errors } = await ask('query ($v: [ID!]!) { nodes(ids: $v) { id } }', { v: deep })
  expect(errors).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT' } }])
  // Brackets in strings and comments are none.
  const quiet = `{ viewer { scopes } node(id: "${'{'.repeat(300)}") { id } } # ${'{'.repeat(300)}`
  expect((await ask(quiet, {})).errors).toBeUndefined()
  expect(api.faults).toHaveLength(faults)
})

test.each([
  ['HTTP', (query: string, variables: Variables) => overHttp(query, variables)],
  ['WebSocket', (query: string, variables: Variables) => overWebSocket(query, variables)],
] as const)('over %s no error of a value echoes the value, in which a secret may stand', async (_how, ask) => {
  const mutation = 'mutation ($input: ProviderCreateInput!) { providerCreate(input: $input) { userErrors { code } } }'
  const update =
    'mutation ($v: ServingState, $i: Int) { userUpdate(input: { id: "x", state: $v, expectedRevision: $i }) { userErrors { code } } }'
  const secret = 'sk-live-4242"found: {'
  const asked = [
    [mutation, { input: { name: 'p', secrets: [secret], secert: secret } }],
    [mutation, { input: { name: 'p', secrets: [{ value: secret }] } }],
    [mutation, { input: { secrets: [secret] } }],
    [mutation, { input: secret }],
    [mutation, { input: { name: 'p', kind: secret } }],
    [update, { v: secret }],
    [update, { i: secret }],
    [
      'mutation { providerCreate(input: { name: "p", secrets: ["sk-live-4242"], secert: "sk-live-4242" }) { userErrors { code } } }',
      {},
    ],
    ['mutation { providerCreate(input: { name: "p", kind: "sk-live-4242" }) { userErrors { code } } }', {}],
    ['mutation { userUpdate(input: { id: "x", expectedRevision: "sk-live-4242" }) { userErrors { code } } }', {}],
    ['mutation { providerCreate(input: { "sk-live-4242" }) { userErrors { code } } }', {}],
  ] as const
  for (const [query, variables] of asked) {
    const answer = await ask(query, variables)
    expect(answer.errors?.length).toBeGreaterThan(0)
    expect(JSON.stringify(answer)).not.toContain('4242')
  }
  const { errors } = await ask(asked[0][0], asked[0][1])
  expect(errors?.[0]?.message).toContain('secert')
})

describe('a mutation', () => {
  const update =
    'mutation ($v: Propagation) { routeUpdate(input: { route: { name: "route" }, description: "new", waitFor: $v }) { userErrors { code } } }'
  const revision = async () => (await overHttp('{ route(by: { name: "route" }) { revision } }', {})).data

  test('with null for a member that has a default changes nothing', async () => {
    const before = await revision()
    expect((await overHttp(update, { v: null })).errors).toMatchObject([
      { message: expect.stringContaining('waitFor'), extensions: { code: 'BAD_USER_INPUT' } },
    ])
    expect(await revision()).toEqual(before)
  })

  test('without a value for it takes the default', async () => {
    expect(await overHttp(update, {})).toMatchObject({ data: { routeUpdate: { userErrors: [] } } })
  })
})

describe('what @skip and @include leave out', () => {
  const costOf = ({ extensions }: Answer) => (extensions!['cost'] as { requested: number }).requested

  test('costs nothing, and what they leave in costs what it does without them', async () => {
    const query = `query ($with: Boolean!) { viewer { scopes } ... @include(if: $with) { ${tooMuch} } ...F @skip(if: true) }
      fragment F on Query { a: ${tooMuch} }`
    expect(costOf(await overHttp(query, { with: false }))).toBe(2)
    const { data, errors } = await overHttp(query, { with: true })
    expect(data).toBeUndefined()
    expect(errors).toMatchObject([{ extensions: { code: 'QUERY_TOO_COMPLEX' } }])
  })

  test('may have values that do not fit, as may another operation of the document', async () => {
    const query = `query A($v: Int, $no: Boolean!) { viewer { scopes } usage(${range}, limit: $v) @include(if: $no) { truncated } ...F @skip(if: true) }
      query B($w: Boolean = true) { ...G }
      fragment F on Query { b: usage(${range}, limit: 1) { truncated } }
      fragment G on Query { c: viewer { scopes @include(if: $w) } }`
    const { body } = await api.graphql.post({ query, operationName: 'A', variables: { v: null, no: false } })
    expect(body).toMatchObject({ data: { viewer: {} } })
  })
})
