/** What operators are told is wrong: each thing is broken for real, seen, mended, and seen to be well again. */
import { randomBytes } from 'node:crypto'
import { Client } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { clientConfig } from '../../../src/storage/database/database.ts'
import { openTestDatabase } from '../../support/database.ts'
import { type DatabaseProxy, openDatabaseProxy } from '../../support/database-proxy.ts'
import { type Product, startProduct } from '../../support/product.ts'
import { status } from '../../support/replies.ts'
import { until } from '../../support/until.ts'
import { openUpstream, type Upstream } from '../../support/upstream.ts'

let opened: AsyncDisposableStack
let databaseUrl: string
let database: DatabaseProxy
let own: Upstream
let bought: Upstream
let product: Product
const encryptionKey = randomBytes(32).toString('hex')

beforeAll(async () => {
  opened = new AsyncDisposableStack()
  databaseUrl = opened.use(await openTestDatabase({ migrated: false })).url
  database = opened.use(await openDatabaseProxy(databaseUrl))
  own = opened.use(await openUpstream({ name: 'own' }))
  bought = opened.use(await openUpstream({ name: 'bought', secret: 'good-secret' }))
  product = await start()
}, 120_000)

afterAll(() => opened.disposeAsync(), 60_000)

async function start(url = database.url): Promise<Product> {
  const env = { DATABASE_URL: url, SIGNALBOX_ENCRYPTION_KEY: encryptionKey }
  return opened.use(await startProduct({ env }))
}

interface Problem {
  readonly id: string
  readonly severity: string
  readonly code: string
  readonly since: string
  readonly summary: string
  readonly remedy: string
  readonly subject: { readonly id: string; readonly __typename: string } | null
}

const query = `{ problems { id severity code since summary remedy subject { id __typename } } }`

async function problems(at = product): Promise<Problem[]> {
  return (await at.graphql.request<{ problems: Problem[] }>(query)).problems
}

const waiting = { timeoutMs: 60_000, everyMs: 200 }

function appears(code: string, at = product): Promise<Problem> {
  return until(async () => (await problems(at)).find((problem) => problem.code === code), { ...waiting, what: code })
}

function goes(code: string, at = product): Promise<boolean> {
  const isGone = async () => (await problems(at)).every((problem) => problem.code !== code)
  return until(isGone, { ...waiting, what: `the end of ${code}` })
}

async function change(field: string, input: string): Promise<void> {
  await product.graphql.change(`mutation { ${field}(input: ${input}) { userErrors { message code path } } }`)
}

let count = 0

/** A route with a deployment of the same name on `own`, and with `fallback` a provider of that name behind it, with the model `m`. */
async function setUp({ fallback = false } = {}): Promise<string> {
  const name = `chat-${++count}`
  const endpoints = `[{ url: "${own.baseUrl}" }]`
  await change('deploymentCreate', `{ name: "${name}", enableModelRoute: false, endpoints: ${endpoints} }`)
  if (fallback) await createProvider(name, 'good-secret', priced)
  const spare = fallback ? `, fallback: { backends: [{ providerModel: { provider: "${name}", model: "m" } }] }` : ''
  await change('routeCreate', `{ name: "${name}", targets: [{ backend: { deployment: "${name}" } }]${spare} }`)
  expect(await problems()).toEqual([])
  return name
}

const priced = ', pricing: { inputPerMillion: "1", outputPerMillion: "1" }'

async function createProvider(name: string, secret: string, pricing = ''): Promise<void> {
  await change(
    'providerCreate',
    `{ name: "${name}", baseUrl: "${bought.baseUrl}", secrets: ["${secret}"], models: [{ upstreamModel: "m"${pricing} }] }`,
  )
}

/** A route with the model `m` of a provider, all of the same name. */
async function setUpPaid(name: string, secret: string, pricing = ''): Promise<void> {
  await createProvider(name, secret, pricing)
  const target = `{ backend: { providerModel: { provider: "${name}", model: "m" } } }`
  await change('routeCreate', `{ name: "${name}", targets: [${target}] }`)
}

async function setState(deployment: string, state: 'ACTIVE' | 'DISABLED'): Promise<void> {
  await change('deploymentUpdate', `{ deployment: { name: "${deployment}" }, state: ${state} }`)
}

async function ask(route: string, at = product): Promise<number> {
  const response = await fetch(`${at.gatewayUrl}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${at.adminKey}` },
    body: JSON.stringify({ model: route, messages: [{ role: 'user', content: 'hello' }] }),
  })
  await response.text()
  return response.status
}

async function askTimes(times: number, route: string): Promise<void> {
  for (let i = 0; i < times; i++) await ask(route)
}

test('a route whose only server is gone is unavailable, its backend unhealthy, and both are well after an answer', async () => {
  const name = await setUp()
  const brokenAtMs = Date.now()
  await own.stopListening()
  await askTimes(5, name)
  const unavailable = await appears('ROUTE_UNAVAILABLE')
  expect(unavailable).toMatchObject({ severity: 'CRITICAL', subject: { __typename: 'Route' } })
  expect(unavailable.summary).toBe(`Nothing serves the route ${name}: ${name} is unhealthy.`)
  const unhealthy = await appears('BACKEND_UNHEALTHY')
  expect(unhealthy).toMatchObject({ severity: 'CRITICAL', subject: { __typename: 'Deployment' } })
  expect(unhealthy.summary).toContain(own.baseUrl)
  for (const { since } of [unavailable, unhealthy]) {
    expect(Date.parse(since)).toBeGreaterThanOrEqual(brokenAtMs)
    expect(Date.parse(since)).toBeLessThanOrEqual(Date.now())
  }
  // The worst comes first, and all of it stays what it was while it lasts: also when a trial is due that nobody makes.
  expect((await problems())[0]!.severity).toBe('CRITICAL')
  await until(() => Date.now() > Date.parse(unhealthy.since) + 13_000, { timeoutMs: 20_000 })
  await ask(name)
  expect(await appears('BACKEND_UNHEALTHY')).toMatchObject({ id: unhealthy.id, since: unhealthy.since })
  expect(await appears('ROUTE_UNAVAILABLE')).toMatchObject({ id: unavailable.id, since: unavailable.since })

  await own.listenAgain()
  await until(async () => (await ask(name)) === 200, { timeoutMs: 60_000, everyMs: 500 })
  await goes('ROUTE_UNAVAILABLE')
  await goes('BACKEND_UNHEALTHY')
  await askTimes(10, name)
  await goes('UPSTREAM_ERRORS')
}, 120_000)

test('a route whose only backend is disabled is unavailable since that was done, as every process says', async () => {
  const name = await setUp()
  await setState(name, 'DISABLED')
  const { deployment } = await product.graphql.request<{ deployment: { updatedAt: string } }>(
    `{ deployment(by: { name: "${name}" }) { updatedAt } }`,
  )
  const unavailable = await appears('ROUTE_UNAVAILABLE')
  expect(unavailable.summary).toBe(`Nothing serves the route ${name}: ${name} is drained or disabled.`)
  expect(unavailable.since).toBe(deployment.updatedAt)
  await using other = await start()
  expect(await appears('ROUTE_UNAVAILABLE', other)).toEqual(unavailable)
  await setState(name, 'ACTIVE')
  expect(await problems()).toEqual([])
  expect(await problems(other)).toEqual([])
}, 120_000)

test('requests that the fallback serves diverge, with the errors of the backend, until answers come again', async () => {
  const name = await setUp({ fallback: true })
  own.setScript(({ method }) => (method === 'POST' ? status(500) : undefined))
  await askTimes(4, name)
  const diverges = await appears('ROUTE_DIVERGES')
  expect(diverges).toMatchObject({ severity: 'WARNING', subject: { __typename: 'Route' } })
  expect(diverges.summary).toContain(`${name} failed and the fallback served`)
  const errors = await appears('UPSTREAM_ERRORS')
  expect(errors).toMatchObject({ severity: 'WARNING', subject: { __typename: 'Deployment' } })
  own.setScript(undefined)
  await askTimes(11, name)
  await goes('ROUTE_DIVERGES')
  await goes('UPSTREAM_ERRORS')
}, 120_000)

test('a server that does not know the model is misconfigured, until it is called by the name that it knows', async () => {
  const strict = opened.use(await openUpstream({ name: 'strict', models: ['real-name'] }))
  await change(
    'deploymentCreate',
    `{ name: "strict", upstreamModel: "wrong-name", endpoints: [{ url: "${strict.baseUrl}" }] }`,
  )
  const told = await appears('BACKEND_MISCONFIGURED')
  expect(told).toMatchObject({ severity: 'CRITICAL', subject: { __typename: 'Deployment' } })
  expect(told.summary).toContain('"wrong-name"')
  await change('deploymentUpdate', '{ deployment: { name: "strict" }, upstreamModel: "real-name" }')
  expect(await problems()).toEqual([])

  // A provider is asked by nobody: the first request tells.
  const model = (name: string) => `{ upstreamModel: "${name}"${priced} }`
  await change(
    'providerCreate',
    `{ name: "strict", baseUrl: "${strict.baseUrl}", models: [${model('wrong-name')}, ${model('real-name')}] }`,
  )
  const backend = (name: string) => `{ providerModel: { provider: "strict", model: "${name}" } }`
  await change('routeCreate', `{ name: "misnamed", targets: [{ backend: ${backend('wrong-name')} }] }`)
  expect(await ask('misnamed')).toBe(404)
  const unknown = await appears('BACKEND_MISCONFIGURED')
  expect(unknown).toMatchObject({ severity: 'CRITICAL', subject: { __typename: 'ProviderModel' } })
  expect(unknown.summary).toContain('404')
  await change(
    'routeTargetReplace',
    `{ route: { name: "misnamed" }, target: ${backend('wrong-name')}, backend: ${backend('real-name')} }`,
  )
  await change('providerModelRemove', '{ model: { provider: "strict", model: "wrong-name" } }')
  expect(await ask('misnamed')).toBe(200)
  await goes('BACKEND_MISCONFIGURED')
}, 120_000)

test('a credential that is refused is told and never shown, until another takes its place', async () => {
  await setUpPaid('refusing', 'a-bad-secret-1234', priced)
  expect(await ask('refusing')).toBe(502)
  const refused = await appears('CREDENTIAL_REFUSED')
  expect(refused).toMatchObject({ severity: 'CRITICAL', subject: { __typename: 'Provider' } })
  expect(JSON.stringify(await problems())).not.toContain('a-bad-secret-1234')
  await change('providerUpdate', '{ provider: { name: "refusing" }, secrets: ["good-secret"] }')
  await goes('CREDENTIAL_REFUSED')
  expect(await ask('refusing')).toBe(200)
  await goes('UPSTREAM_ERRORS')
}, 120_000)

test('a model without a price is told once it was used, and not when it has one', async () => {
  await setUpPaid('priceless', 'good-secret')
  expect(await problems()).toEqual([])
  expect(await ask('priceless')).toBe(200)
  const missing = await appears('PRICE_MISSING')
  expect(missing).toMatchObject({ severity: 'NOTICE', subject: { __typename: 'ProviderModel' } })
  await change('providerModelUpdate', `{ model: { provider: "priceless", model: "m" }${priced} }`)
  expect(await problems()).toEqual([])
}, 120_000)

test('a budget that is too small for the next request is told, until it is raised', async () => {
  await setUpPaid('budgeted', 'good-secret', priced)
  const { budget } = await product.graphql.change<{ budget: { id: string } }>(
    'mutation { budgetCreate(input: { subject: { installation: true }, amount: "0.000000001" }) { budget { id } userErrors { message code path } } }',
  )
  expect(await ask('budgeted')).toBeGreaterThanOrEqual(400)
  const exhausted = await appears('BUDGET_EXHAUSTED')
  expect(exhausted).toMatchObject({ severity: 'CRITICAL', subject: { id: budget.id } })
  expect(exhausted.summary).toContain('The budget of the installation (0.000000001 USD a month) is used up')
  expect(exhausted.remedy).toContain('budgetRaise')
  await change('budgetRaise', `{ id: "${budget.id}", amount: "100" }`)
  await goes('BUDGET_EXHAUSTED')
  expect(await ask('budgeted')).toBe(200)
  await change('budgetDelete', `{ id: "${budget.id}" }`)
}, 120_000)

test('a limit that refuses requests is told, until it is raised', async () => {
  const name = await setUp()
  const { rateLimit } = await product.graphql.change<{ rateLimit: { id: string } }>(
    'mutation { rateLimitCreate(input: { subject: { installation: true }, requestsPerMinute: 1 }) { rateLimit { id } userErrors { message code path } } }',
  )
  await until(async () => (await ask(name)) === 429, waiting)
  const reached = await appears('LIMIT_REACHED')
  expect(reached).toMatchObject({ severity: 'CRITICAL', subject: { id: rateLimit.id } })
  expect(reached.summary).toContain('The limit of the installation (1 requests a minute) is reached')
  expect(reached.remedy).toContain('rateLimitUpdate')
  await change('rateLimitUpdate', `{ id: "${rateLimit.id}", requestsPerMinute: 6000 }`)
  await goes('LIMIT_REACHED')
  expect(await ask(name)).toBe(200)
  await change('rateLimitDelete', `{ id: "${rateLimit.id}" }`)
}, 120_000)

test('a key that expires soon is told to who may see it, until it has another end', async () => {
  const soon = new Date(Date.now() + 86_400_000).toISOString()
  const { apiKey } = await product.graphql.change<{ apiKey: { id: string; updatedAt: string } }>(
    `mutation { apiKeyCreate(input: { name: "nightly", expiresAt: "${soon}" }) { apiKey { id updatedAt } userErrors { message code path } } }`,
  )
  const expires = await appears('KEY_EXPIRES_SOON')
  expect(expires).toMatchObject({ severity: 'NOTICE', since: apiKey.updatedAt, subject: { id: apiKey.id } })
  expect(expires.summary).toContain(`nightly of admin expires at ${soon}`)
  const { user } = await product.graphql.change<{ user: { id: string } }>(
    'mutation { userCreate(input: { name: "operator", role: OPERATOR }) { user { id } userErrors { message code path } } }',
  )
  const { secret } = await product.graphql.change<{ secret: string }>(
    `mutation { apiKeyCreate(input: { name: "screen", ownerId: "${user.id}", scopes: [CONFIG_READ] }) { secret userErrors { message code path } } }`,
  )
  const asOperator = await product.graphql.withKey(secret).request<{ problems: Problem[] }>(query)
  expect(asOperator.problems).toEqual([])
  await change(
    'apiKeyUpdate',
    `{ id: "${apiKey.id}", expiresAt: "${new Date(Date.now() + 30 * 86_400_000).toISOString()}" }`,
  )
  await goes('KEY_EXPIRES_SOON')
}, 120_000)

test('without its database a process says so, with what it knew, and that it is there again', async () => {
  const name = await setUp()
  await setState(name, 'DISABLED')
  await appears('ROUTE_UNAVAILABLE')
  const cutAtMs = Date.now()
  database.cut()
  const away = await appears('DATABASE_UNREACHABLE')
  expect(away).toMatchObject({ severity: 'CRITICAL', subject: null })
  expect(Date.parse(away.since)).toBeLessThanOrEqual(Date.now())
  expect(Date.parse(away.since)).toBeGreaterThan(cutAtMs - 10_000)
  expect(await problems()).toContainEqual(expect.objectContaining({ code: 'ROUTE_UNAVAILABLE', subject: null }))
  database.restore()
  await goes('DATABASE_UNREACHABLE')
  expect((await appears('ROUTE_UNAVAILABLE')).subject).toMatchObject({ __typename: 'Route' })
  await setState(name, 'ACTIVE')
  expect(await problems()).toEqual([])
}, 120_000)

test('a gateway that is killed is lost, and its usage delayed, until it is forgotten', async () => {
  const other = await start()
  await until(async () => (await gateways()).length === 2, waiting)
  await other.kill9()
  const lost = await appears('GATEWAY_LOST')
  expect(lost.severity).toBe('WARNING')
  const [id] = (await gateways()).filter(({ state }) => state === 'LOST').map((gateway) => gateway.id)
  expect(lost.remedy).toContain(`gatewayForget(input: { id: "${id}" })`)
  const delayed = await appears('USAGE_DELAYED')
  expect(delayed.severity).toBe('NOTICE')
  expect(Date.parse(delayed.since)).toBeLessThan(Date.now() - 15_000)
  await product.graphql.change(
    `mutation { gatewayForget(input: { id: "${id}" }) { userErrors { message code path } } }`,
  )
  await goes('GATEWAY_LOST')
  await goes('USAGE_DELAYED')
}, 120_000)

async function gateways(): Promise<{ id: string; state: string }[]> {
  const { configStatus } = await product.graphql.request<{
    configStatus: { gateways: { id: string; state: string }[] }
  }>('{ configStatus { gateways { id state } } }')
  return configStatus.gateways
}

test('a gateway that may not read the configuration is behind, until it may', async () => {
  const name = await setUp()
  const administer = opened.adopt(new Client(clientConfig(databaseUrl)), (client) => client.end())
  await administer.connect()
  const role = `sb_${randomBytes(6).toString('hex')}`
  const databaseName = new URL(databaseUrl).pathname.slice(1)
  await administer.query(`create role ${role} login; grant all on database ${databaseName} to ${role};
    grant all on all tables in schema public to ${role}; grant all on all sequences in schema public to ${role};
    grant create on schema public to ${role}`)
  opened.defer(async () => {
    const last = new Client(clientConfig(databaseUrl))
    await last.connect()
    await last.query(`drop owned by ${role}; drop role ${role}`)
    await last.end()
  })
  const url = new URL(databaseUrl)
  if (url.searchParams.has('user')) url.searchParams.set('user', role)
  else url.username = role
  const other = await start(url.href)
  await until(async () => (await gateways()).length === 2, waiting)
  await administer.query(`revoke select on route from ${role}`)
  await product.graphql.change(
    `mutation {
      routeUpdate(input: { route: { name: "${name}" }, rewritesModel: true, waitFor: COMMITTED }) { userErrors { message code path } }
    }`,
  )
  const behind = await appears('GATEWAY_BEHIND')
  expect(behind.severity).toBe('WARNING')
  expect(await appears('GATEWAY_BEHIND', other)).toMatchObject({ id: behind.id, since: behind.since })
  await administer.query(`grant select on route to ${role}`)
  await goes('GATEWAY_BEHIND')
}, 120_000)

test('a subscription tells what is wrong at once, and again only when it changes', async () => {
  const name = await setUp()
  const stop = new AbortController()
  const response = await fetch(`${product.apiUrl}/graphql`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'text/event-stream',
      authorization: `Bearer ${product.adminKey}`,
    },
    body: JSON.stringify({ query: 'subscription { problemsChanged { at problems { code } } }' }),
    signal: stop.signal,
  })
  const told: string[][] = []
  const reading = (async () => {
    let text = ''
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      text += chunk
      const events = [...text.matchAll(/event: next\ndata: (.*)\n\n/g)]
      told.splice(0, told.length, ...events.map(([, data]) => codesOf(data!)))
    }
  })().catch(() => undefined)
  await until(() => told.length === 1, waiting)
  await setState(name, 'DISABLED')
  await until(() => told.length === 2, waiting)
  // Changes that change nothing of it are not told.
  await change('routeUpdate', `{ route: { name: "${name}" }, rewritesModel: true }`)
  await setState(name, 'ACTIVE')
  await until(() => told.length === 3, waiting)
  stop.abort()
  await reading
  expect(told).toEqual([[], ['ROUTE_UNAVAILABLE'], []])
}, 120_000)

function codesOf(data: string): string[] {
  const { data: event } = JSON.parse(data) as { data: { problemsChanged: { problems: { code: string }[] } } }
  return event.problemsChanged.problems.map(({ code }) => code)
}
