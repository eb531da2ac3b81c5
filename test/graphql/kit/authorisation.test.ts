/** Who may do what: each field of the schema with each scope and role. */
import {
  type GraphQLField,
  type GraphQLInputType,
  type GraphQLObjectType,
  getNamedType,
  isEnumType,
  isInputObjectType,
  isLeafType,
  isListType,
  isNonNullType,
  isRequiredArgument,
  isRequiredInputField,
} from 'graphql'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { schema } from '../../../src/graphql/schema/schema.ts'
import { formatId } from '../../../src/routing/config/object-id.ts'
import { type ApiKeyScope, apiKeyScopes, type UserRole, userRoles } from '../../../src/routing/config/vocabulary.ts'
import { insertUsageRecords } from '../../../src/storage/usage/ledger/insert.ts'
import type { GraphqlClient } from '../../support/graphql-client.ts'
import { usageRecord } from '../../support/usage-record.ts'
import { addDeployment, addProvider, addRoute } from '../support/objects.ts'
import { openTestApi, type TestApi } from '../support/open-api.ts'

type Scopes = readonly ApiKeyScope[]
const anyone: Scopes = apiKeyScopes
const config: Scopes = ['CONFIG_READ']
const changes: Scopes = ['CONFIG_WRITE']
const traffic: Scopes = ['CONFIG_WRITE', 'TRAFFIC_WRITE']
const usage: Scopes = ['USAGE_READ']
const admin: Scopes = ['ADMIN']
const keys: Scopes = ['CONFIG_WRITE', 'ADMIN']

/** Any of the scopes opens the field. */
const openedBy: Readonly<Record<string, Scopes>> = {
  'Query.node': anyone,
  'Query.nodes': anyone,
  'Query.viewer': anyone,
  'Query.provider': config,
  'Query.providers': config,
  'Query.deployment': config,
  'Query.deployments': config,
  'Query.route': config,
  'Query.routes': config,
  'Query.routeExplain': config,
  'Query.user': admin,
  'Query.users': admin,
  'Query.apiKey': keys,
  'Query.apiKeys': keys,
  'Query.usage': usage,
  'Query.requestLogs': usage,
  'Query.requestLog': usage,
  'Query.configStatus': config,
  'Query.problems': config,
  'Query.auditLog': ['CONFIG_READ', 'ADMIN'],
  // Anybody sees the limits that bind its own keys.
  'Query.rateLimits': anyone,
  'Query.budgets': anyone,
  'Mutation.providerCreate': changes,
  'Mutation.providerUpdate': changes,
  'Mutation.providerDelete': changes,
  'Mutation.providerProbe': changes,
  'Mutation.providerModelTest': changes,
  'Mutation.providerRouteCreate': changes,
  'Mutation.deploymentCreate': changes,
  'Mutation.deploymentUpdate': changes,
  'Mutation.deploymentEndpointStateSet': changes,
  'Mutation.deploymentEndpointAdd': changes,
  'Mutation.deploymentEndpointUpdate': changes,
  'Mutation.deploymentEndpointRemove': changes,
  'Mutation.providerModelAdd': changes,
  'Mutation.providerModelUpdate': changes,
  'Mutation.providerModelRemove': changes,
  'Mutation.providerCredentialAdd': changes,
  'Mutation.providerCredentialRemove': changes,
  'Mutation.deploymentDelete': changes,
  'Mutation.gatewayForget': changes,
  'Mutation.routeCreate': changes,
  'Mutation.routeUpdate': changes,
  'Mutation.routeDelete': changes,
  'Mutation.routeTrafficSet': traffic,
  'Mutation.routeTrafficBulkSet': traffic,
  'Mutation.routeTargetsSet': changes,
  'Mutation.routeTargetAdd': changes,
  'Mutation.routeTargetReplace': changes,
  'Mutation.routeTargetRemove': changes,
  'Mutation.routeFallbackSet': traffic,
  'Mutation.routeAccessSet': changes,
  'Mutation.routeRollback': changes,
  'Mutation.rateLimitCreate': changes,
  'Mutation.rateLimitUpdate': changes,
  'Mutation.rateLimitDelete': changes,
  'Mutation.budgetCreate': changes,
  'Mutation.budgetUpdate': changes,
  'Mutation.budgetRaise': changes,
  'Mutation.budgetDelete': changes,
  'Mutation.userCreate': admin,
  'Mutation.userUpdate': admin,
  'Mutation.userDelete': admin,
  'Mutation.apiKeyCreate': keys,
  'Mutation.apiKeyUpdate': keys,
  'Mutation.apiKeyRotate': keys,
  'Mutation.apiKeyRevoke': keys,
  'Subscription.routeTraffic': config,
  'Subscription.configChanged': config,
  'Subscription.problemsChanged': config,
  'Subscription.requestLogged': usage,
  'Subscription.budgetChanged': anyone,
}

const scopesOfRole: Readonly<Record<UserRole, Scopes>> = {
  ADMIN: apiKeyScopes,
  OPERATOR: apiKeyScopes.filter((scope) => scope !== 'ADMIN'),
  MEMBER: ['INFERENCE', 'USAGE_READ'],
}

const roots = [schema.getQueryType()!, schema.getMutationType()!, schema.getSubscriptionType()!]
const fields = roots.flatMap((root) =>
  Object.values(root.getFields()).map((field) => [`${root.name}.${field.name}`, root, field] as const),
)

let api: TestApi
const byScope = new Map<ApiKeyScope, GraphqlClient>()
const byRole = new Map<UserRole, GraphqlClient>()

beforeAll(async () => {
  api = await openTestApi()
  for (const scope of apiKeyScopes) byScope.set(scope, api.graphql.withKey((await api.makeKey('ADMIN', [scope])).key))
  for (const role of userRoles) {
    // Made while its owner was an administrator: the key has scopes that the owner does not have any more.
    const { key, userId } = await api.makeKey('ADMIN', apiKeyScopes)
    await api.graphql.change(
      `mutation ($id: ID!, $role: UserRole) { userUpdate(input: { id: $id, role: $role }) { userErrors { code } } }`,
      { id: userId, role },
    )
    byRole.set(role, api.graphql.withKey(key))
  }
})
afterAll(async () => {
  await api[Symbol.asyncDispose]()
})

test('the table names every root field', () => {
  expect(fields.map(([name]) => name).toSorted()).toEqual(Object.keys(openedBy).toSorted())
})

test.each(fields)('%s is open exactly for its scopes', async (name, root, field) => {
  const open = []
  for (const [scope, client] of byScope) if (!(await isForbidden(client, root, field))) open.push(scope)
  expect(open).toEqual(openedBy[name])
})

test.each(fields)(
  '%s is open for a role that has one of its scopes, whatever the key has',
  async (name, root, field) => {
    for (const [role, client] of byRole) {
      const isOpen = openedBy[name]!.some((scope) => scopesOfRole[role].includes(scope))
      expect({ role, isOpen: !(await isForbidden(client, root, field)) }).toEqual({ role, isOpen })
    }
  },
)

describe('what a key reaches through what it may see', () => {
  let routeId: string
  let deploymentId: string
  let providerId: string
  let memberId: string
  let memberKeyId: string
  let member: GraphqlClient
  let foreignRequestId: string
  let ownRequestId: string

  beforeAll(async () => {
    providerId = await addProvider(api.graphql, { name: 'provider' })
    deploymentId = await addDeployment(api.graphql, { name: 'deployment' })
    const route = await addRoute(api.graphql, {
      name: 'route',
      targets: [
        { backend: { deployment: 'deployment' } },
        { backend: { providerModel: { provider: 'provider', model: 'model' } } },
      ],
    })
    routeId = route.id
    const made = await api.makeKey('MEMBER', ['INFERENCE', 'USAGE_READ'])
    member = api.graphql.withKey(made.key)
    memberId = made.userId
    memberKeyId = made.apiKeyId
    const other = await api.makeKey('MEMBER', ['INFERENCE', 'USAGE_READ'])
    const about = {
      routeId,
      routeName: 'route',
      targetId: route.targets[0]!.id,
      backendId: deploymentId,
      deploymentId,
      providerId,
      providerName: 'provider',
    }
    const own = usageRecord({ ...about, userId: made.userId, apiKeyId: made.apiKeyId })
    const foreign = usageRecord({ ...about, userId: other.userId, apiKeyId: other.apiKeyId })
    await insertUsageRecords(api.control.db, [own, foreign])
    ownRequestId = own.id
    foreignRequestId = foreign.id
  })

  const free: Readonly<Record<string, readonly string[]>> = {
    Route: ['id', 'name'],
    RouteTarget: ['id', 'backend', 'route'],
    Deployment: ['id', 'label', 'name'],
    Provider: ['id', 'name'],
    ApiKey: ['id', 'name', 'owner', 'prefix'],
    User: ['id', 'name'],
  }
  const places = {
    Route: 'route',
    RouteTarget: 'target',
    Deployment: 'deployment',
    Provider: 'provider',
    ApiKey: 'apiKey',
    User: 'user',
  } as const

  test.each(Object.entries(places))('by usage alone, of a %s only what names it', async (typeName, place) => {
    const type = schema.getType(typeName) as GraphQLObjectType
    const client = byScope.get('USAGE_READ')!
    const codes: Record<string, unknown> = {}
    for (const field of Object.values(type.getFields())) {
      const { body } = await client.post({
        query: `{ usage(range: { from: "2026-01-01T00:00:00Z" }, groupBy: [ROUTE, TARGET, DEPLOYMENT, PROVIDER, API_KEY, USER]) {
          rows { group { ${place} { ${selection(field)} } } }
        } }`,
      })
      codes[field.name] = body.errors?.[0]?.extensions?.['code']
    }
    const expected = Object.keys(type.getFields()).map((name) => [
      name,
      free[typeName]!.includes(name) ? undefined : 'FORBIDDEN',
    ])
    expect(codes).toEqual(Object.fromEntries(expected))
  })

  test('who may switch traffic sees what came of it, and no more', async () => {
    const client = byScope.get('TRAFFIC_WRITE')!
    const mutation = (fields: string) => `mutation { routeTrafficSet(input: {
      route: { name: "route" }, weights: [{ target: { deployment: "deployment" }, weight: 7 }]
    }) { userErrors { code } ${fields} } }`
    const seen = await client.post({
      query: mutation(
        'route { revision state targets { weight share availability backend { label state ... on Deployment { endpoints { state inFlight } } } } }',
      ),
    })
    expect(seen.body.errors).toBeUndefined()
    for (const field of [
      'route { revisions { totalCount } }',
      'route { targets { backend { routes { totalCount } } } }',
      'query { routes { totalCount } }',
      'query { users { totalCount } }',
      'route { targets { backend { ... on Deployment { endpoints { url } } } } }',
      'route { targets { backend { ... on Deployment { secretHint } } } }',
      'route { targets { backend { ... on ProviderModel { provider { baseUrl credentials { hint } } } } } }',
    ]) {
      const { body } = await client.post({ query: mutation(field) })
      expect(body.errors?.map(({ extensions }) => extensions?.['code'])).toContain('FORBIDDEN')
    }
  })

  test('a member sees its own usage and requests, and nobody else’s', async () => {
    const all = await member.request<{
      usage: { totals: { requests: number } }
      requestLogs: { edges: { node: { id: string } }[] }
    }>(
      '{ usage(range: { from: "2026-01-01T00:00:00Z" }) { totals { requests } } requestLogs { edges { node { id } } } }',
    )
    expect(all).toEqual({
      usage: { totals: { requests: 1 } },
      requestLogs: { edges: [{ node: { id: ownRequestId } }] },
    })
    const { key: operatorKey } = await api.makeKey('OPERATOR', ['USAGE_READ'])
    const others = await api.graphql
      .withKey(operatorKey)
      .request<{ usage: { totals: { requests: number } } }>(
        '{ usage(range: { from: "2026-01-01T00:00:00Z" }) { totals { requests } } }',
      )
    expect(others.usage.totals.requests).toBe(2)
  })

  test('a member who names others in a filter gets nothing of theirs', async () => {
    const admins = await api.graphql.request<{ users: { edges: { node: { id: string } }[] } }>(
      '{ users(first: 100) { edges { node { id } } } }',
    )
    const data = await member.request<{ usage: { totals: { requests: number } } }>(
      `query ($ids: [ID!]) { usage(range: { from: "2026-01-01T00:00:00Z" }, filter: { userIds: $ids }) { totals { requests } } }`,
      { ids: admins.users.edges.map(({ node }) => node.id).filter((id) => id !== memberId) },
    )
    expect(data.usage.totals.requests).toBe(0)
  })

  test('a foreign request and an unknown one look the same to a member', async () => {
    const unknown = formatId('RequestLog', 1, new Uint8Array(10))
    const answers = await Promise.all(
      [foreignRequestId, unknown].map(async (id) => {
        const { body } = await member.post({
          query: 'query ($id: ID!) { requestLog(id: $id) { id } node(id: $id) { id } }',
          variables: { id },
        })
        return body
      }),
    )
    expect(answers[0]).toEqual(answers[1])
    expect(answers[0]!.data).toEqual({ requestLog: null, node: null })
  })

  test('an object that exists and one that does not look the same to who may see neither', async () => {
    for (const [existing, type] of [
      [routeId, 'Route'],
      [deploymentId, 'Deployment'],
      [providerId, 'Provider'],
      [(await api.makeKey('MEMBER', ['INFERENCE'])).userId, 'User'],
    ] as const) {
      const unknown = formatId(type, 1, new Uint8Array(10))
      const [there, not] = await Promise.all(
        [existing, unknown].map(
          async (id) =>
            (await member.post({ query: 'query ($id: ID!) { node(id: $id) { id } }', variables: { id } })).body,
        ),
      )
      expect(there).toEqual(not)
      expect(there!.errors?.[0]?.extensions?.['code']).toBe('FORBIDDEN')
    }
  })

  test('a member sees itself and its own keys', async () => {
    const { viewer, node } = await member.request<{ viewer: { actor: object }; node: object }>(
      `query ($id: ID!) {
        viewer { actor { ... on ApiKey { id scopes state owner { role state apiKeys { totalCount } } } } }
        node(id: $id) { ... on User { role } }
      }`,
      { id: memberId },
    )
    expect(viewer.actor).toEqual({
      id: memberKeyId,
      scopes: ['INFERENCE', 'USAGE_READ'],
      state: 'ACTIVE',
      owner: { role: 'MEMBER', state: 'ACTIVE', apiKeys: { totalCount: 1 } },
    })
    expect(node).toEqual({ role: 'MEMBER' })
  })

  test('an operator manages its own keys, and sees no others', async () => {
    const { key, apiKeyId } = await api.makeKey('OPERATOR', ['CONFIG_WRITE', 'INFERENCE'])
    const operator = api.graphql.withKey(key)
    const made = await operator.change<{ apiKey: { id: string } }>(
      'mutation { apiKeyCreate(input: { name: "own" }) { userErrors { code } apiKey { id } } }',
    )
    const { apiKeys } = await operator.request<{ apiKeys: { totalCount: number; edges: { node: { id: string } }[] } }>(
      '{ apiKeys { totalCount edges { node { id } } } }',
    )
    expect(apiKeys).toEqual({ totalCount: 2, edges: [{ node: { id: apiKeyId } }, { node: { id: made.apiKey.id } }] })
    const { body } = await operator.post({
      query: 'mutation ($id: ID!) { apiKeyRevoke(input: { id: $id }) { userErrors { code } } }',
      variables: { id: memberKeyId },
    })
    expect(body.data).toEqual({ apiKeyRevoke: { userErrors: [{ code: 'NOT_FOUND' }] } })
  })
})

/** Whether the field, with the least arguments, is answered with `FORBIDDEN`. */
async function isForbidden(
  client: GraphqlClient,
  root: GraphQLObjectType,
  field: GraphQLField<unknown, unknown>,
): Promise<boolean> {
  const query = `${root.name.toLowerCase()} { ${selection(field)} }`
  if (root.name === 'Subscription') return (await firstEvent(client, query)).includes('"FORBIDDEN"')
  const { body } = await client.post({ query })
  const codes = body.errors?.map(({ extensions }) => extensions?.['code']) ?? []
  expect(codes.filter((code) => code !== 'FORBIDDEN')).toEqual([])
  return codes.length > 0
}

async function firstEvent(client: GraphqlClient, query: string): Promise<string> {
  const stop = new AbortController()
  const response = await fetch(client.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream', authorization: `Bearer ${client.key}` },
    body: JSON.stringify({ query }),
    signal: stop.signal,
  })
  let text = ''
  const decoder = new TextDecoder()
  try {
    // A subscription that is open says nothing but pings until something happens.
    for await (const chunk of response.body!) {
      text += decoder.decode(chunk)
      if (text.includes('event:') || text.split(':\n\n').length > 2) break
    }
  } finally {
    stop.abort()
  }
  return text
}

function selection(field: GraphQLField<unknown, unknown>): string {
  const args = field.args.filter(isRequiredArgument).map(({ name, type }) => `${name}: ${literalOf(type)}`)
  const call = args.length > 0 ? `${field.name}(${args.join(', ')})` : field.name
  return isLeafType(getNamedType(field.type)) ? call : `${call} { __typename }`
}

function literalOf(type: GraphQLInputType): string {
  if (isNonNullType(type)) return literalOf(type.ofType)
  if (isListType(type)) return '[]'
  if (isEnumType(type)) return type.getValues()[0]!.name
  if (isInputObjectType(type)) {
    const members = Object.values(type.getFields())
    const needed = type.isOneOf ? members.slice(0, 1) : members.filter(isRequiredInputField)
    return `{ ${needed.map((member) => `${member.name}: ${literalOf(member.type)}`).join(', ')} }`
  }
  switch (type.name) {
    case 'Int':
    case 'SafeInt':
      return '1'
    case 'Decimal':
      return '"1"'
    case 'Boolean':
      return 'false'
    case 'DateTime':
      return '"2026-01-01T00:00:00Z"'
    default:
      return '"x"'
  }
}
