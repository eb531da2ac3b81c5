/** Limits and budgets as their users read and change them. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { periodAt } from '../../../src/routing/limits/budget-period.ts'
import { insertUsageRecords } from '../../../src/storage/usage/ledger/insert.ts'
import { usageRecord } from '../../support/usage-record.ts'
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

function change<T>(name: string, input: object, fields: string, client = api.graphql): Promise<T> {
  const type = `${name[0]!.toUpperCase()}${name.slice(1)}Input`
  return client.change<T>(`mutation ($input: ${type}!) { ${name}(input: $input) { ${errors} ${fields} } }`, { input })
}

async function createLimit(input: object): Promise<string> {
  const { rateLimit } = await change<{ rateLimit: { id: string } }>('rateLimitCreate', input, 'rateLimit { id }')
  return rateLimit.id
}

async function createBudget(input: object): Promise<string> {
  const { budget } = await change<{ budget: { id: string } }>('budgetCreate', input, 'budget { id }')
  return budget.id
}

test('a rate limit is made, read, changed and deleted, with what every change has', async () => {
  const deployment = await addDeployment(api.graphql, { name: 'gpu' })
  const fields = `configVersion applied pendingGateways { id } query { viewer { scopes } } rateLimit {
    id revision createdAt updatedAt per requestsPerMinute tokensPerMinute inFlight burst enforcement
    subject { __typename ... on Deployment { id name } }
    states { edges { node { labels requestsLeft tokensLeft inFlight refusedLastHour wouldRefuseLastHour resetsAt } } pageInfo { hasNextPage } }
  }`
  interface Answer {
    readonly rateLimit: { readonly id: string; readonly revision: number }
  }
  const input = { subject: { id: deployment }, requestsPerMinute: 600, tokensPerMinute: 9007199254740991 }
  const made = await change<Answer>('rateLimitCreate', { ...input, reason: 'one GPU' }, fields)
  expect(made).toMatchObject({
    applied: true,
    pendingGateways: [],
    rateLimit: {
      revision: 1,
      per: [],
      requestsPerMinute: 600,
      tokensPerMinute: 9007199254740991,
      inFlight: null,
      burst: null,
      enforcement: 'ENFORCE',
      subject: { __typename: 'Deployment', id: deployment, name: 'gpu' },
      states: {
        edges: [
          {
            node: {
              labels: [],
              requestsLeft: 60,
              tokensLeft: Math.floor(9007199254740991 / 10),
              inFlight: 0,
              refusedLastHour: 0,
              wouldRefuseLastHour: 0,
              resetsAt: null,
            },
          },
        ],
        pageInfo: { hasNextPage: false },
      },
    },
  })
  const { id } = made.rateLimit
  const node = await api.graphql.request(
    `query ($id: ID!) { node(id: $id) { __typename ... on RateLimit { burst revision } } }`,
    { id },
  )
  expect(node).toEqual({ node: { __typename: 'RateLimit', burst: null, revision: 1 } })
  const updated = await change<Answer>(
    'rateLimitUpdate',
    { id, expectedRevision: 1, burst: 7, tokensPerMinute: null },
    fields,
  )
  expect(updated.rateLimit).toMatchObject({
    revision: 2,
    burst: 7,
    tokensPerMinute: null,
    states: { edges: [{ node: { requestsLeft: 7, tokensLeft: null } }] },
  })
  const stale = await api.graphql.request(
    `mutation ($input: RateLimitUpdateInput!) { rateLimitUpdate(input: $input) { rateLimit { id }
      userErrors { code path ... on RevisionConflictError { actualRevision current { id ... on RateLimit { burst } } } } } }`,
    { input: { id, expectedRevision: 1, burst: 8 } },
  )
  expect(stale).toEqual({
    rateLimitUpdate: {
      rateLimit: null,
      userErrors: [
        {
          code: 'REVISION_CONFLICT',
          path: ['input', 'expectedRevision'],
          actualRevision: 2,
          current: { id, burst: 7 },
        },
      ],
    },
  })
  expect(await change('rateLimitDelete', { id }, 'deletedId')).toMatchObject({ deletedId: id })
  const audit = await api.graphql.request<{ auditLog: { edges: { node: { action: string } }[] } }>(
    `query ($id: ID!) { auditLog(filter: { subjectIds: [$id] }) { edges { node { action reason } } } }`,
    { id },
  )
  expect(audit.auditLog.edges.map(({ node: entry }) => entry)).toEqual([
    { action: 'rateLimitDelete', reason: null },
    { action: 'rateLimitUpdate', reason: null },
    { action: 'rateLimitCreate', reason: 'one GPU' },
  ])
})

test('all that is wrong with an input is told at once, each at its place', async () => {
  const bad = await api.graphql.request(
    `mutation {
      rate: rateLimitCreate(input: { subject: { id: "rte_00000000000000000000000000" }, per: [ROUTE, ROUTE], requestsPerMinute: 0, tokensPerMinute: -1, inFlight: 0, burst: 0 }) { userErrors { code path } }
      none: rateLimitCreate(input: { subject: { installation: true } }) { userErrors { code path } }
      money: budgetCreate(input: { subject: { id: "x" }, amount: "-1", timeZone: "Mars/Olympus", warnAt: [1, 0.5], unpricedReserve: "0" }) { userErrors { code path } }
    }`,
  )
  const at = (code: string, ...path: string[]) => ({ code, path: ['input', ...path] })
  expect(bad).toEqual({
    rate: {
      userErrors: [
        at('NOT_FOUND', 'subject', 'id'),
        at('INVALID', 'per', '1'),
        at('INVALID', 'requestsPerMinute'),
        at('INVALID', 'tokensPerMinute'),
        at('INVALID', 'inFlight'),
        at('INVALID', 'burst'),
      ],
    },
    none: { userErrors: [at('INVALID')] },
    money: {
      userErrors: [
        at('NOT_FOUND', 'subject', 'id'),
        at('INVALID', 'amount'),
        at('INVALID', 'timeZone'),
        at('INVALID', 'warnAt', '1'),
        at('INVALID', 'unpricedReserve'),
      ],
    },
  })
})

test('what is beyond 2^53 is refused with the place of each', async () => {
  const { status, body } = await api.graphql.post(
    `{"query":"mutation ($input: RateLimitCreateInput!) { rateLimitCreate(input: $input) { userErrors { code } } }",
      "variables":{"input":{"subject":{"installation":true},"requestsPerMinute":9007199254740992,"burst":1e300}}}`,
  )
  expect(status).toBe(200)
  expect(body.errors?.map(({ extensions }) => extensions?.code)).toEqual(['BAD_USER_INPUT', 'BAD_USER_INPUT'])
  expect(body.errors?.map(({ message }) => message).join(' ')).toMatch(/requestsPerMinute.*burst/s)
})

test('a limit of the whole installation names it, and its node has the version', async () => {
  const subjectOf = `rateLimit { subject { __typename ... on Installation { id version } } }`
  interface Answer {
    readonly rateLimit: { readonly subject: { readonly id: string } }
  }
  const { rateLimit } = await change<Answer>(
    'rateLimitCreate',
    { subject: { installation: true }, inFlight: 3 },
    subjectOf,
  )
  expect(rateLimit.subject).toMatchObject({ __typename: 'Installation', version: '1.2.3-test' })
  const { id } = rateLimit.subject
  const found = await api.graphql.request<{ node: object; rateLimits: { totalCount: number } }>(
    `query ($id: ID!) { node(id: $id) { __typename id } rateLimits(subjectId: $id) { totalCount } }`,
    { id },
  )
  expect(found).toEqual({ node: { __typename: 'Installation', id }, rateLimits: { totalCount: 1 } })
  // Its own id is as good as `installation: true`.
  const again = await change<Answer>('rateLimitCreate', { subject: { id }, inFlight: 3 }, subjectOf)
  expect(again.rateLimit.subject).toMatchObject({ id })
})

test('lists go page by page, of one subject or of all', async () => {
  const subject = { id: await addProvider(api.graphql, { name: 'paged' }) }
  const ids: string[] = []
  for (let n = 1; n <= 5; n++) ids.push(await createLimit({ subject, inFlight: n }))
  const budgetIds = [await createBudget({ subject, amount: '1' }), await createBudget({ subject, amount: '2' })]
  interface Page {
    readonly rateLimits: {
      readonly totalCount: number
      readonly edges: readonly { readonly node: { readonly id: string } }[]
      readonly pageInfo: { readonly endCursor: string; readonly hasNextPage: boolean }
    }
  }
  const seen: string[] = []
  let after: string | null = null
  do {
    const { rateLimits }: Page = await api.graphql.request<Page>(
      `query ($subjectId: ID!, $after: String) { rateLimits(subjectId: $subjectId, first: 2, after: $after) {
        totalCount edges { node { id } } pageInfo { endCursor hasNextPage } } }`,
      { subjectId: subject.id, after },
    )
    expect(rateLimits.totalCount).toBe(5)
    seen.push(...rateLimits.edges.map(({ node }) => node.id))
    after = rateLimits.pageInfo.hasNextPage ? rateLimits.pageInfo.endCursor : null
  } while (after !== null)
  expect(seen).toEqual(ids)
  const last = await api.graphql.request(
    `query ($subjectId: ID!) { budgets(subjectId: $subjectId, last: 1) { totalCount edges { node { id amount } } } }`,
    { subjectId: subject.id },
  )
  expect(last).toEqual({ budgets: { totalCount: 2, edges: [{ node: { id: budgetIds[1], amount: '2' } }] } })
})

test("a budget's states have what was spent to the last digit, most used first, and page by page", async () => {
  const { id: routeId } = await addRoute(api.graphql, { name: 'money', targets: [{ backend: { deployment: 'gpu' } }] })
  const nowMs = Date.now()
  const { startMs } = periodAt('DAY', 'Asia/Kathmandu', nowMs)
  const used = (apiKeyId: string | null, apiKeyName: string | null, cost: string | null, endedMs = nowMs) =>
    usageRecord({ routeId, routeName: 'money', apiKeyId, apiKeyName, cost, startedAtMs: endedMs - 100 })
  await insertUsageRecords(api.control.db, [
    used('key_a', 'small', '0.000000000000000001'),
    used('key_b', 'large', '0.7'),
    used('key_b', 'large', '0.1'),
    used(null, null, '0.2'),
    used('key_c', 'free', null),
    // Before the day began in Kathmandu.
    used('key_b', 'large', '1000', startMs - 1),
  ])
  const common = { subject: { id: routeId }, amount: '1', period: 'DAY', timeZone: 'Asia/Kathmandu' }
  const shared = await createBudget(common)
  const apart = await createBudget({ ...common, per: ['API_KEY'] })
  interface State {
    readonly edges: readonly { readonly cursor: string; readonly node: object }[]
    readonly pageInfo: object
  }
  const fields = `labels periodStart resetsAt spent reserved remaining exhausted`
  const statesOf = async (id: string, args = '') =>
    (
      await api.graphql.request<{ node: { states: State } }>(
        `query ($id: ID!) { node(id: $id) { ... on Budget { states${args} { edges { cursor node { ${fields} } } pageInfo { hasNextPage } } } } }`,
        { id },
      )
    ).node.states
  const period = { periodStart: new Date(startMs).toISOString(), reserved: '0' }
  expect((await statesOf(shared)).edges.map(({ node }) => node)).toEqual([
    {
      labels: [],
      ...period,
      resetsAt: new Date(startMs + 86_400_000).toISOString(),
      spent: '1.000000000000000001',
      remaining: '-0.000000000000000001',
      exhausted: true,
    },
  ])
  const first = await statesOf(apart, '(first: 3)')
  expect(first.edges.map(({ node }) => node)).toMatchObject([
    { labels: ['large'], spent: '0.8', remaining: '0.2', exhausted: false },
    { labels: [''], spent: '0.2' },
    { labels: ['small'], spent: '0.000000000000000001', remaining: '0.999999999999999999' },
  ])
  const rest = await statesOf(apart, `(after: "${first.edges[2]!.cursor}")`)
  expect(rest).toMatchObject({
    edges: [{ node: { labels: ['free'], spent: '0' } }],
    pageInfo: { hasNextPage: false },
  })
  const { budget } = await change<{ budget: object }>(
    'budgetRaise',
    { id: shared, amount: '0.5', reason: 'launch day', idempotencyKey: 'launch' },
    `budget { amount states { edges { node { remaining exhausted runsOutAt } } } }`,
  )
  expect(budget).toMatchObject({
    amount: '1',
    states: { edges: [{ node: { remaining: '0.499999999999999999', exhausted: false } }] },
  })
})

test('who may read the configuration sees every limit, and anybody else those that bind its own keys, and its own part of them', async () => {
  const ada = await api.makeKey('MEMBER', ['INFERENCE'])
  const bob = await api.makeKey('MEMBER', ['INFERENCE', 'USAGE_READ'])
  const operator = await api.makeKey('OPERATOR', ['CONFIG_READ'])
  const { id: open } = await addRoute(api.graphql, { name: 'open', targets: [{ backend: { deployment: 'gpu' } }] })
  const { id: closed } = await addRoute(api.graphql, {
    name: 'closed',
    targets: [{ backend: { deployment: 'gpu' } }],
    access: { policy: 'RESTRICTED', apiKeyIds: [ada.apiKeyId] },
  })
  const provider = await addProvider(api.graphql, { name: 'behind' })
  const limits: Record<string, string> = {}
  const budgets: Record<string, string> = {}
  for (const [name, id] of Object.entries({
    adaKey: ada.apiKeyId,
    adaUser: ada.userId,
    bobKey: bob.apiKeyId,
    bobUser: bob.userId,
    open,
    closed,
    provider,
  })) {
    limits[name] = await createLimit({ subject: { id }, requestsPerMinute: 10 })
    budgets[name] = await createBudget({ subject: { id }, amount: '5' })
  }
  const all = await createBudget({ subject: { installation: true }, amount: '5', per: ['API_KEY'] })
  await insertUsageRecords(api.control.db, [
    usageRecord({ ...ada, apiKeyName: 'of ada', cost: '1', startedAtMs: Date.now() - 100 }),
    usageRecord({ ...bob, apiKeyName: 'of bob', cost: '2', startedAtMs: Date.now() - 100 }),
  ])
  const made = new Set([...Object.values(limits), ...Object.values(budgets), all])
  const names = new Map(
    [...Object.entries(limits), ...Object.entries(budgets)].map(([name, id]) => [id, name] as const),
  )
  interface Seen {
    readonly rateLimits: { readonly totalCount: number; readonly edges: readonly { node: { id: string } }[] }
    readonly budgets: { readonly edges: readonly { node: { id: string } }[] }
    readonly nodes: readonly ({ readonly id: string } | null)[]
  }
  const seenBy = async (key: string) => {
    const seen = await api.graphql.withKey(key).request<Seen>(
      `query ($ids: [ID!]!) {
        rateLimits(first: 100) { totalCount edges { node { id states { edges { node { requestsLeft } } } } } }
        budgets(first: 100) { edges { node { id amount } } }
        nodes(ids: $ids) { id ... on RateLimit { burst } ... on Budget { amount period } }
      }`,
      { ids: [...made] },
    )
    const listed = [...seen.rateLimits.edges, ...seen.budgets.edges].map(({ node }) => node.id)
    const asNodes = seen.nodes.flatMap((node) => (node ? [node.id] : []))
    expect(seen.rateLimits.totalCount).toBe(seen.rateLimits.edges.length)
    const ours = listed.filter((id) => made.has(id))
    expect(new Set(ours)).toEqual(new Set(asNodes))
    return [...new Set(ours.map((id) => names.get(id) ?? 'all'))].sort()
  }
  expect(await seenBy(ada.key)).toEqual(['adaKey', 'adaUser', 'all', 'closed', 'open'])
  expect(await seenBy(bob.key)).toEqual(['all', 'bobKey', 'bobUser', 'open'])
  const everything = ['adaKey', 'adaUser', 'all', 'bobKey', 'bobUser', 'closed', 'open', 'provider']
  expect(await seenBy(operator.key)).toEqual(everything)

  const statesFor = async (key: string) => {
    const { node } = await api.graphql.withKey(key).request<{
      node: { states: { edges: readonly { node: { labels: readonly string[] } }[] } }
    }>(`query ($id: ID!) { node(id: $id) { ... on Budget { states(first: 100) { edges { node { labels spent } } } } } }`, {
      id: all,
    })
    return node.states.edges.map((edge) => edge.node.labels[0])
  }
  expect(await statesFor(ada.key)).toEqual(['of ada'])
  expect(await statesFor(bob.key)).toEqual(['of bob'])
  expect(await statesFor(operator.key)).toEqual(expect.arrayContaining(['of ada', 'of bob']))

  const refused = await api.graphql.withKey(bob.key).post({
    query: `mutation ($id: ID!) { rateLimitDelete(input: { id: $id }) { deletedId } }`,
    variables: { id: limits.bobKey },
  })
  expect(refused.body.errors?.[0]?.extensions?.code).toBe('FORBIDDEN')
  const readerMayNot = await api.graphql.withKey(operator.key).post({
    query: `mutation ($id: ID!) { budgetRaise(input: { id: $id, amount: "1" }) { budget { id } } }`,
    variables: { id: all },
  })
  expect(readerMayNot.body.errors?.[0]?.extensions?.code).toBe('FORBIDDEN')
})

test('revoking a key takes its limits along, and the audit log says which', async () => {
  const { apiKeyId } = await api.makeKey('MEMBER', ['INFERENCE'])
  const limitId = await createLimit({ subject: { id: apiKeyId }, inFlight: 1 })
  const budgetId = await createBudget({ subject: { id: apiKeyId }, amount: '1' })
  await change('apiKeyRevoke', { id: apiKeyId, reason: 'left the company' }, 'apiKey { state }')
  const after = await api.graphql.request(
    `query ($ids: [ID!]!) { nodes(ids: $ids) { id } auditLog(filter: { subjectIds: $ids }, first: 2) { edges { node { action reason subjectId } } } }`,
    { ids: [limitId, budgetId] },
  )
  expect(after).toEqual({
    nodes: [null, null],
    auditLog: {
      edges: expect.arrayContaining(
        [limitId, budgetId].map((subjectId) => ({
          node: { action: 'apiKeyRevoke', reason: 'left the company', subjectId },
        })),
      ) as unknown,
    },
  })
})
