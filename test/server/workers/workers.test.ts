/** One machine, several gateways on one port: nobody notices when they are replaced, or when one is killed. */
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Product, startProduct } from '../../support/product.ts'
import type { Reply } from '../../support/exchange.ts'
import { readScrape, type Scraped } from '../../support/prometheus.ts'
import { openTestDatabase } from '../../support/database.ts'
import { until } from '../../support/until.ts'
import { openUpstream } from '../../support/upstream.ts'

let opened: AsyncDisposableStack

beforeEach(() => {
  opened = new AsyncDisposableStack()
})
afterEach(() => opened.disposeAsync())

async function start(env: Readonly<Record<string, string>> = {}): Promise<Product> {
  return opened.use(await startProduct({ env: { SIGNALBOX_WORKERS: '2', ...env }, startTimeoutMs: 180_000 }))
}

/** A deployment of that name, which is a route, too; returns a key. */
async function setUp({ graphql }: Product, url: string): Promise<string> {
  await graphql.change(
    `mutation ($url: URL!) { deploymentCreate(input: { name: "llama", endpoints: [{ url: $url }] }) { userErrors { message } } }`,
    { url },
  )
  const { secret } = await graphql.change<{ secret: string }>(
    `mutation { apiKeyCreate(input: { name: "application" }) { secret userErrors { message } } }`,
  )
  return secret
}

/** On a connection of its own: one that was kept idle may be closed at any time, by any server. */
async function ask({ gatewayUrl }: Product, key: string, padding = ''): Promise<number> {
  const sent = request(`${gatewayUrl}/v1/chat/completions`, {
    agent: false,
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
  })
  sent.end(JSON.stringify({ model: 'llama', messages: [], padding }))
  const [answer] = (await once(sent, 'response')) as [IncomingMessage]
  for await (const _ of answer) void _
  return answer.statusCode ?? 0
}

/** Clients that ask one after the other until they are stopped; counts what came, by status or by the error's text. */
function openLoad(product: Product, key: string, clients: number) {
  const outcomes = new Map<string, number>()
  const over = new AbortController()
  const count = (outcome: string) => outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
  const client = async () => {
    while (!over.signal.aborted) {
      try {
        count(String(await ask(product, key)))
      } catch (error) {
        count(String(error))
      }
    }
  }
  const running = Promise.all(Array.from({ length: clients }, client))
  return {
    outcomes,
    answers: () => outcomes.get('200') ?? 0,
    async stop() {
      over.abort()
      await running
    },
  }
}

function pidsOf(product: Product): number[] {
  return product.logs().flatMap(({ msg, pid }) => (msg === 'a worker serves' ? [Number(pid)] : []))
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

async function replaceAll(product: Product, times: number): Promise<void> {
  process.kill(product.pid, 'SIGHUP')
  await until(() => product.logs().filter(({ msg }) => msg === 'all workers were replaced').length >= times, {
    timeoutMs: 60_000,
  })
}

test('workers are replaced under load: no request fails', { timeout: 400_000 }, async () => {
  const upstream = opened.use(await openUpstream({ name: 'llama' }))
  const product = await start()
  const key = await setUp(product, upstream.baseUrl)
  await until(async () => (await ask(product, key)) === 200)
  const load = openLoad(product, key, 8)
  const rounds = 3
  for (let round = 1; round <= rounds; round++) {
    await replaceAll(product, round)
    const answers = load.answers()
    await until(() => load.answers() > answers + 100, { timeoutMs: 60_000 })
  }
  await load.stop()
  expect([...load.outcomes.keys()]).toEqual(['200'])
  expect(new Set(pidsOf(product)).size).toBe(2 * (rounds + 1))
  const [alive, gone] = [pidsOf(product).slice(-2), pidsOf(product).slice(0, -2)]
  await until(() => gone.every((pid) => !isRunning(pid)), { timeoutMs: 30_000 })
  expect(alive.every(isRunning)).toBe(true)
  await until(
    async () => {
      const { configStatus } = await product.graphql.request<{ configStatus: { gateways: unknown[] } }>(
        '{ configStatus { gateways { id } } }',
      )
      return configStatus.gateways.length === 2
    },
    { timeoutMs: 30_000 },
  )
  expect(await product.stop()).toBe(0)
  await until(() => alive.every((pid) => !isRunning(pid)))
})

test(
  'two hundred long streams stay whole while all workers are replaced, and twice at once',
  { timeout: 400_000 },
  async () => {
    const release = Promise.withResolvers<void>()
    let begun = 0
    const stream: Reply = async ({ response }) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write('data: {"choices":[{"delta":{"content":"first"}}]}\n\n')
      begun++
      await release.promise
      response.end('data: {"choices":[{"delta":{"content":"last"}}]}\n\ndata: [DONE]\n\n')
    }
    const upstream = opened.use(
      await openUpstream({
        name: 'llama',
        script: ({ method, json }) => (method === 'POST' && json()['stream'] ? stream : undefined),
      }),
    )
    const product = await start()
    const key = await setUp(product, upstream.baseUrl)
    await until(async () => (await ask(product, key)) === 200)
    const streams = Array.from({ length: 200 }, () => readStream(product, key))
    await until(() => begun === 200, { timeoutMs: 60_000 })
    const load = openLoad(product, key, 2)
    process.kill(product.pid, 'SIGHUP')
    await until(() => pidsOf(product).length === 3, { timeoutMs: 60_000 })
    await replaceAll(product, 2)
    release.resolve()
    const texts = await Promise.all(streams)
    await load.stop()
    expect(new Set(texts).size).toBe(1)
    expect(texts[0]).toMatch(/first[^]*last[^]*\[DONE\]\n\n$/)
    expect([...load.outcomes.keys()]).toEqual(['200'])
  },
)

test('one scrape counts the requests of all workers, on either port', { timeout: 400_000 }, async () => {
  const upstream = opened.use(await openUpstream({ name: 'llama' }))
  const product = await start()
  const key = await setUp(product, upstream.baseUrl)
  await until(async () => (await ask(product, key)) === 200)
  const pages = [product.gatewayUrl, product.apiUrl]
  const counted = () =>
    Promise.all(pages.map(async (url) => (await scrape(url, product.adminKey)).sum('signalbox_requests_total')))
  const [before = 0] = await counted()
  const answers = 60
  await Promise.all(Array.from({ length: answers }, () => ask(product, key)))
  await until(async () => (await counted()).every((count) => count === before + answers))
  const [ofGateway, ofApi] = await Promise.all(pages.map((url) => scrape(url, product.adminKey)))
  const workersOf = (page: Scraped | undefined, name: string) =>
    page?.samples.flatMap((sample) => (sample.name === name ? [sample.labels['worker'] ?? 'primary'] : [])).sort()
  expect(workersOf(ofGateway, 'signalbox_config_version')).toEqual(['1', '2'])
  expect(workersOf(ofApi, 'signalbox_build_info')).toEqual(['1', '2', 'primary'])
  // A place is asked while its worker is replaced, too.
  process.kill(pidsOf(product)[0] ?? 0, 'SIGKILL')
  await until(() => pidsOf(product).length === 3, { timeoutMs: 60_000 })
  await until(
    async () => workersOf(await scrape(product.apiUrl, product.adminKey), 'signalbox_config_version')?.length === 2,
  )
})

test(
  'each worker keeps the exact split: over two workers a target is within two requests of its share',
  { timeout: 400_000 },
  async () => {
    const blue = opened.use(await openUpstream({ name: 'blue' }))
    const green = opened.use(await openUpstream({ name: 'green' }))
    const product = await start()
    const key = await setUp(product, blue.baseUrl)
    await product.graphql.change(
      `mutation ($url: URL!) { deploymentCreate(input: { name: "green", enableModelRoute: false, endpoints: [{ url: $url }] }) { userErrors { message } } }`,
      { url: green.baseUrl },
    )
    await product.graphql.change(
      `mutation { routeTargetAdd(input: { route: { name: "llama" }, target: { backend: { deployment: "green" }, weight: 200 } }) { userErrors { message } } }`,
    )
    blue.forgetRequests()
    green.forgetRequests()
    for (let round = 0; round < 30; round++) await Promise.all(Array.from({ length: 5 }, () => ask(product, key)))
    expect(blue.inferences.length + green.inferences.length).toBe(150)
    expect(Math.abs(blue.inferences.length - 50)).toBeLessThanOrEqual(2)
  },
)

test(
  'a worker that cannot be started again is tried again; the others serve, and the log says so',
  { timeout: 400_000 },
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sbx-env-'))
    opened.defer(() => rm(folder, { recursive: true, force: true }))
    const file = join(folder, 'settings')
    await writeFile(file, '# nothing\n')
    const upstream = opened.use(await openUpstream({ name: 'llama' }))
    const product = await start({ SIGNALBOX_ENV_FILE: file })
    const key = await setUp(product, upstream.baseUrl)
    await until(async () => (await ask(product, key)) === 200)
    await writeFile(file, 'SIGNALBOX_MAX_REQUEST_BYTES=many\n')
    process.kill(pidsOf(product)[0] ?? 0, 'SIGKILL')
    await until(() => product.output().includes('a worker could not be started again'), { timeoutMs: 60_000 })
    expect(await ask(product, key)).toBe(200)
    await writeFile(file, '# nothing\n')
    await until(() => pidsOf(product).length === 3, { timeoutMs: 60_000 })
    expect(await ask(product, key)).toBe(200)
  },
)

async function readStream({ gatewayUrl }: Product, key: string): Promise<string> {
  const sent = request(`${gatewayUrl}/v1/chat/completions`, {
    agent: false,
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
  })
  sent.end(JSON.stringify({ model: 'llama', messages: [], stream: true }))
  const [answer] = (await once(sent, 'response')) as [IncomingMessage]
  let text = ''
  for await (const piece of answer) text += String(piece)
  return text
}

async function scrape(url: string, key: string): Promise<Scraped> {
  const answer = await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${key}`, connection: 'close' } })
  return readScrape(await answer.text())
}

test('a worker that is killed comes back, and the other one serves on', { timeout: 400_000 }, async () => {
  const upstream = opened.use(await openUpstream({ name: 'llama' }))
  const { url } = opened.use(await openTestDatabase({ migrated: false }))
  const product = await start({ DATABASE_URL: url, SIGNALBOX_ENCRYPTION_KEY: '4'.repeat(64) })
  const key = await setUp(product, upstream.baseUrl)
  await until(async () => (await ask(product, key)) === 200)
  const [killed = 0, other = 0] = pidsOf(product)
  process.kill(killed, 'SIGKILL')
  await until(() => pidsOf(product).length === 3, { timeoutMs: 60_000 })
  expect(isRunning(other)).toBe(true)
  expect(product.output()).toContain('a worker has ended by itself')
  const load = openLoad(product, key, 4)
  await until(() => load.answers() > 100, { timeoutMs: 60_000 })
  await load.stop()
  expect([...load.outcomes.keys()]).toEqual(['200'])
})

test(
  'new settings of the env file count for new workers; a faulty file leaves the old ones serving',
  { timeout: 300_000 },
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sbx-env-'))
    opened.defer(() => rm(folder, { recursive: true, force: true }))
    const file = join(folder, 'settings')
    await writeFile(file, 'SIGNALBOX_MAX_REQUEST_BYTES=1024\n')
    const upstream = opened.use(await openUpstream({ name: 'llama' }))
    const product = await start({ SIGNALBOX_ENV_FILE: file, SIGNALBOX_WORKERS: '1' })
    const key = await setUp(product, upstream.baseUrl)
    await until(async () => (await ask(product, key)) === 200)
    const large = () => ask(product, key, 'x'.repeat(2_000))
    await until(async () => (await large()) === 413)
    await writeFile(file, '# nothing\n')
    await replaceAll(product, 1)
    // The worker of before may still take one before it hears that it is replaced.
    await until(async () => (await large()) === 200)
    await writeFile(file, 'SIGNALBOX_MAX_REQUEST_BYTES=many\n')
    process.kill(product.pid, 'SIGHUP')
    await until(() => product.output().includes('a new worker did not start'), { timeoutMs: 60_000 })
    expect(await ask(product, key)).toBe(200)
  },
)
