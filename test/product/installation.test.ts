/** Several processes of the product over one database, and what happens when one of them, or the database, is gone. */
import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openTestDatabase } from '../support/database.ts'
import { type DatabaseProxy, openDatabaseProxy } from '../support/database-proxy.ts'
import { type Product, runProduct, startProduct } from '../support/product.ts'
import { until } from '../support/until.ts'
import { openUpstream, type Upstream } from '../support/upstream.ts'

let opened: AsyncDisposableStack
let database: DatabaseProxy
let blue: Upstream
let green: Upstream
let encryptionKey: string

beforeEach(async () => {
  opened = new AsyncDisposableStack()
  const { url } = opened.use(await openTestDatabase({ migrated: false }))
  database = opened.use(await openDatabaseProxy(url))
  blue = opened.use(await openUpstream({ name: 'blue' }))
  green = opened.use(await openUpstream({ name: 'green' }))
  encryptionKey = randomBytes(32).toString('hex')
})

afterEach(() => opened.disposeAsync())

test('a switch, a new key and a revoked key hold in every process as soon as the mutation answers', async () => {
  const [here, there] = await startTwo()
  await setUp(here)
  const key = await createKey(here)
  for (let i = 0; i < 20; i++) {
    const isBlue = i % 2 === 0
    await setWeights(here, { blue: isBlue ? 1 : 0, green: isBlue ? 0 : 1 })
    expect(await ask(there, key.secret)).toEqual({ status: 200, backend: isBlue ? 'blue' : 'green' })
    expect(await ask(here, key.secret)).toEqual({ status: 200, backend: isBlue ? 'blue' : 'green' })
  }
  const { configStatus } = await there.graphql.request<{
    configStatus: { version: number; appliedVersion: number; gateways: { appliedVersion: number }[] }
  }>(`{ configStatus { version appliedVersion gateways { appliedVersion } } }`)
  expect(configStatus.appliedVersion).toBe(configStatus.version)
  expect(configStatus.gateways).toHaveLength(2)

  await here.graphql.change(
    `mutation ($id: ID!) { apiKeyRevoke(input: { id: $id }) { userErrors { code path message } } }`,
    { id: key.id },
  )
  expect(await ask(there, key.secret)).toMatchObject({ status: 401 })
})

test('the live split and the usage are those of all processes; one that is killed is not waited for long', async () => {
  const [here, there] = await startTwo()
  await setUp(here)
  await setWeights(here, { blue: 1, green: 1 })
  for (let i = 0; i < 10; i++) {
    await ask(here, here.adminKey)
    await ask(there, there.adminKey)
  }
  const traffic = await until(async () => {
    const { route } = await here.graphql.request<{ route: { traffic: { requests: number; gateways: number } } }>(
      `{ route(by: { name: "chat" }) { traffic { requests gateways } } }`,
    )
    return route.traffic.requests === 20 && route.traffic
  })
  expect(traffic.gateways).toBe(2)
  await untilCounted(here, 20)
  await until(async () => {
    const { viewer } = await here.graphql.request<{ viewer: { actor: { lastUsedAt: string | null } } }>(
      `{ viewer { actor { ... on ApiKey { lastUsedAt } } } }`,
    )
    const { lastUsedAt } = viewer.actor
    return lastUsedAt !== null && Date.now() - Date.parse(lastUsedAt) < 180_000 && lastUsedAt.endsWith(':00.000Z')
  })

  await there.kill9()
  await setWeights(here, { blue: 1, green: 0 })
  expect(await ask(here, here.adminKey)).toEqual({ status: 200, backend: 'blue' })
  // It may be cut off and serve on: that is told until somebody says that it will not come back.
  const gateways = async () => {
    const { configStatus } = await here.graphql.request<{
      configStatus: { gateways: { id: string; state: string }[] }
    }>(`{ configStatus { gateways { id state } } }`)
    return configStatus.gateways
  }
  await until(async () => (await gateways()).some(({ state }) => state === 'LOST'))
  const lost = (await gateways()).find(({ state }) => state === 'LOST')!
  const change = `mutation { routeUpdate(input: { route: { name: "chat" }, description: "changed" }) {
    applied pendingGateways { id state } userErrors { code path message } } }`
  expect(await here.graphql.change(change)).toMatchObject({ applied: false, pendingGateways: [lost] })
  await here.graphql.change(
    `mutation ($id: ID!) { gatewayForget(input: { id: $id }) { userErrors { code path message } } }`,
    { id: lost.id },
  )
  expect(await gateways()).toMatchObject([{ state: 'LIVE' }])
  expect(await here.graphql.change(change.replace('changed', 'again'))).toMatchObject({ applied: true })
})

test('stored secrets survive a change of the encryption key', async () => {
  const first = opened.use(await startProduct({ env: environment() }))
  await setUp(first)
  const secret = 'sk-of-the-blue-one'
  await first.graphql.change(
    `mutation ($input: DeploymentUpdateInput!) { deploymentUpdate(input: $input) { userErrors { code path message } } }`,
    { input: { deployment: { name: 'blue' }, secret } },
  )
  await setWeights(first, { blue: 1, green: 0 })
  await first.stop()

  const oldKey = encryptionKey
  encryptionKey = randomBytes(32).toString('hex')
  const rotating = { ...environment(), SIGNALBOX_ENCRYPTION_KEY_PREVIOUS: oldKey }
  const second = opened.use(await startProduct({ env: rotating }))
  await until(() => second.logs().some(({ msg }) => msg?.startsWith('secrets were wrapped')))
  await second.stop()

  const third = opened.use(await startProduct({ env: environment() }))
  expect(await ask(third, third.adminKey)).toEqual({ status: 200, backend: 'blue' })
  expect(blue.inferences.at(-1)?.headers['authorization']).toBe(`Bearer ${secret}`)
})

test('the encryption key is changed in two steps while two processes run, and no change fails meanwhile', async () => {
  const oldKey = encryptionKey
  let [here, there] = await startTwo()
  await setUp(here)
  const setSecret = (product: Product, secret: string) =>
    product.graphql.change(
      `mutation ($input: DeploymentUpdateInput!) { deploymentUpdate(input: $input) { userErrors { code path message } } }`,
      { input: { deployment: { name: 'blue' }, secret } },
    )
  await setWeights(here, { blue: 1, green: 0 })
  await setSecret(here, 'sk-first')
  const cursorOf = async (product: Product) => {
    const { routes } = await product.graphql.request<{ routes: { pageInfo: { endCursor: string } } }>(
      `{ routes(first: 1) { pageInfo { endCursor } } }`,
    )
    return routes.pageInfo.endCursor
  }
  const cursor = await cursorOf(here)
  const newKey = randomBytes(32).toString('hex')
  const both = {
    DATABASE_URL: database.url,
    SIGNALBOX_ENCRYPTION_KEY: newKey,
    SIGNALBOX_ENCRYPTION_KEY_PREVIOUS: oldKey,
  }
  const rotate = () => runProduct({ args: ['rotate-encryption-key'], env: both })

  // One process has the new key, the other one has not: both go on, and nothing is changed yet.
  await there.stop()
  there = opened.use(await startProduct({ env: both }))
  for (const product of [there, here]) {
    await setSecret(product, `sk-of-${product.pid}`)
    for (const asked of [here, there]) {
      expect(await ask(asked, asked.adminKey)).toEqual({ status: 200, backend: 'blue' })
      expect(blue.inferences.at(-1)?.headers['authorization']).toBe(`Bearer sk-of-${product.pid}`)
    }
  }
  const early = await rotate()
  expect(early.code).toBe(1)
  expect(early.output).toContain('do not have the new key yet')

  await here.stop()
  here = opened.use(await startProduct({ env: both }))
  expect(await rotate()).toMatchObject({ code: 0, output: expect.stringContaining('Secrets wrapped anew: 1') })
  await setSecret(there, 'sk-last')
  await Promise.all([here.stop(), there.stop()])

  encryptionKey = newKey
  const last = opened.use(await startProduct({ env: environment() }))
  expect(await ask(last, last.adminKey)).toEqual({ status: 200, backend: 'blue' })
  expect(blue.inferences.at(-1)?.headers['authorization']).toBe('Bearer sk-last')
  expect(await cursorOf(last)).toBe(cursor)
  await last.stop()

  encryptionKey = oldKey
  const refused = await runProduct({ env: environment() })
  expect(refused).toMatchObject({ code: 1, output: expect.stringContaining('SIGNALBOX_ENCRYPTION_KEY_PREVIOUS') })
})

test('without its database the gateway serves, starts again and loses no record', async () => {
  const env = { ...environment(), SIGNALBOX_LOG_LEVEL: 'debug' }
  const first = opened.use(await startProduct({ env }))
  await setUp(first)
  const key = await createKey(first)
  await ask(first, key.secret)
  const { configStatus } = await first.graphql.request<{ configStatus: { version: number } }>(
    `{ configStatus { version } }`,
  )
  await until(() =>
    first.logs().some(({ msg, version }) => msg?.includes('is on disk') && version === configStatus.version),
  )

  database.cut()
  for (let i = 0; i < 10; i++) expect(await ask(first, key.secret)).toMatchObject({ status: 200 })
  const refused = await first.graphql.post({
    query: `mutation { routeUpdate(input: { route: { name: "chat" }, description: "never" }) { configVersion } }`,
  })
  expect(refused.body.errors?.[0]).toMatchObject({ extensions: { code: 'INTERNAL_SERVER_ERROR' } })
  await first.kill9()

  const again = opened.use(await startProduct({ env, dataDir: first.dataDir }))
  for (let i = 0; i < 5; i++) expect(await ask(again, key.secret)).toMatchObject({ status: 200 })
  expect(await ask(again, 'nobody')).toMatchObject({ status: 401 })

  database.restore()
  await untilCounted(again, 16)
  await setWeights(again, { blue: 0, green: 1 })
  expect(await ask(again, key.secret)).toEqual({ status: 200, backend: 'green' })
  await untilCounted(again, 17)
})

test('a start that loses one connection to its database at a bad moment is current all the same', async () => {
  const env = { ...environment(), SIGNALBOX_LOG_LEVEL: 'debug' }
  const first = opened.use(await startProduct({ env }))
  await setUp(first)
  await setWeights(first, { blue: 1, green: 0 })
  await until(() => first.logs().some(({ msg }) => msg?.includes('is on disk')))
  await first.stop()

  // Behind the one that migrates.
  database.breakOne(1)
  const again = opened.use(await startProduct({ env, dataDir: first.dataDir }))
  await until(async () => (await fetch(`${again.apiUrl}/readyz`)).ok)
  await setWeights(again, { blue: 0, green: 1 })
  expect(await ask(again, again.adminKey)).toEqual({ status: 200, backend: 'green' })
  await untilCounted(again, 1)
})

test('a process that was stopped looks what is current before it serves on', async () => {
  const [here, there] = await startTwo()
  await setUp(here)
  const key = await createKey(here)
  expect(await ask(there, key.secret)).toMatchObject({ status: 200 })
  process.kill(there.pid, 'SIGSTOP')
  // While it sleeps it is lost for the others, and its key is revoked without it.
  await until(async () => {
    const { configStatus } = await here.graphql.request<{ configStatus: { gateways: { state: string }[] } }>(
      `{ configStatus { gateways { state } } }`,
    )
    return configStatus.gateways.some(({ state }) => state === 'LOST')
  })
  const { applied } = await here.graphql.change<{ applied: boolean }>(
    `mutation ($id: ID!) { apiKeyRevoke(input: { id: $id }) { applied userErrors { code path message } } }`,
    { id: key.id },
  )
  expect(applied).toBe(false)
  // Requests wait in its sockets, and are the first that it sees when it wakes up.
  const waiting = Array.from({ length: 8 }, () => ask(there, key.secret))
  process.kill(there.pid, 'SIGCONT')
  expect((await Promise.all(waiting)).map(({ status }) => status)).toEqual(Array.from({ length: 8 }, () => 401))
})

test('a gateway refuses when it has heard nothing from its database for longer than it may', async () => {
  const env = { ...environment(), SIGNALBOX_MAX_STALENESS_MS: '3000' }
  const product = opened.use(await startProduct({ env }))
  await setUp(product)
  const key = await createKey(product)
  expect(await ask(product, key.secret)).toMatchObject({ status: 200 })
  database.cut()
  await until(async () => (await ask(product, key.secret)).status === 503)
  database.restore()
  await until(async () => (await ask(product, key.secret)).status === 200)
})

test('a database whose connections hang keeps nobody from stopping', { timeout: 40_000 }, async () => {
  const product = opened.use(await startProduct({ env: environment() }))
  await setUp(product)
  await setWeights(product, { blue: 1, green: 0 })
  database.hang()
  expect(await ask(product, product.adminKey)).toEqual({ status: 200, backend: 'blue' })
  await product.stop()
  expect(product.logs().at(-1)?.msg).toBe('stopped')
})

function environment(): Record<string, string> {
  return { DATABASE_URL: database.url, SIGNALBOX_ENCRYPTION_KEY: encryptionKey }
}

async function startTwo(): Promise<[Product, Product]> {
  const [here, there] = await Promise.all([startProduct({ env: environment() }), startProduct({ env: environment() })])
  opened.use(here)
  opened.use(there)
  return [here, there]
}

async function setUp(product: Product): Promise<void> {
  for (const upstream of [blue, green])
    await product.graphql.change(
      `mutation ($input: DeploymentCreateInput!) { deploymentCreate(input: $input) { userErrors { code path message } } }`,
      { input: { name: upstream.name, endpoints: [{ url: upstream.baseUrl }], enableModelRoute: false } },
    )
  await product.graphql.change(
    `mutation ($input: RouteCreateInput!) { routeCreate(input: $input) { userErrors { code path message } } }`,
    { input: { name: 'chat', targets: ['blue', 'green'].map((deployment) => ({ backend: { deployment } })) } },
  )
}

async function createKey(product: Product): Promise<{ id: string; secret: string }> {
  const made = await product.graphql.change<{ apiKey: { id: string }; secret: string }>(
    `mutation { apiKeyCreate(input: { name: "application" }) { apiKey { id } secret userErrors { code path message } } }`,
  )
  return { id: made.apiKey.id, secret: made.secret }
}

async function setWeights(product: Product, weights: Readonly<Record<string, number>>): Promise<void> {
  await product.graphql.change(
    `mutation ($input: RouteTrafficSetInput!) { routeTrafficSet(input: $input) { userErrors { code path message } } }`,
    {
      input: {
        route: { name: 'chat' },
        weights: Object.entries(weights).map(([deployment, weight]) => ({ target: { deployment }, weight })),
      },
    },
  )
}

async function ask(product: Product, key: string): Promise<{ status: number; backend: string | null }> {
  const response = await fetch(`${product.gatewayUrl}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'chat', messages: [] }),
  })
  await response.arrayBuffer()
  return { status: response.status, backend: response.headers.get('x-signalbox-backend') }
}

/** Waits until so many requests of the route are in the usage, and sees that there are not more. */
async function untilCounted(product: Product, requests: number): Promise<void> {
  const counted = await until(
    async () => {
      const { usage } = await product.graphql.request<{ usage: { totals: { requests: number } } }>(
        `query ($from: DateTime!) { usage(range: { from: $from }, filter: { outcomes: [OK] }) { totals { requests } } }`,
        { from: new Date(Date.now() - 3_600_000).toISOString() },
      )
      return usage.totals.requests >= requests && usage.totals.requests
    },
    { timeoutMs: 20_000 },
  )
  expect(counted).toBe(requests)
}
