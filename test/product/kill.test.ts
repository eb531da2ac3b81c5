/** Whatever is killed, at whatever moment: a client that saw the end of its answer is counted exactly once. */
import { chmod, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openTestDatabase } from '../support/database.ts'
import { openDatabaseProxy } from '../support/database-proxy.ts'
import { type Entry, Ledger, type Plan } from '../support/ledger.ts'
import { type Product, startProduct } from '../support/product.ts'
import { until } from '../support/until.ts'
import { readRequestLogs, readUsage, untilNothingPends } from '../support/usage-api.ts'
import { openUpstream, type Upstream } from '../support/upstream.ts'

const rounds = Number(process.env['KILL_ROUNDS'] ?? 4)
const answersPerRound = 150
const clients = 16
const encryptionKey = '7'.repeat(64)

let opened: AsyncDisposableStack
let ledger: Ledger
let upstream: Upstream
let dataDir: string

beforeEach(async () => {
  opened = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'sbx-kill-'))
  await chmod(folder, 0o755)
  opened.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }))
  dataDir = join(folder, 'data')
  ledger = opened.use(new Ledger(clients + 8))
  upstream = opened.use(
    await openUpstream({
      name: 'llama',
      script: (request) =>
        request.method === 'GET' ? undefined : ledger.reply({ name: 'llama', models: [] }, request),
    }),
  )
})

afterEach(() => opened.disposeAsync())

test('the product is killed under load, with its own database', { timeout: 180_000 }, async () => {
  await expectSurvival({})
})

test('a gateway is killed under load, with a database elsewhere', { timeout: 180_000 }, async () => {
  const { url } = opened.use(await openTestDatabase({ migrated: false }))
  await expectSurvival({ DATABASE_URL: url, SIGNALBOX_ENCRYPTION_KEY: encryptionKey })
})

test('the database is away under load, and the gateway is killed meanwhile', { timeout: 180_000 }, async () => {
  const { url } = opened.use(await openTestDatabase({ migrated: false }))
  const database = opened.use(await openDatabaseProxy(url))
  const env = { DATABASE_URL: database.url, SIGNALBOX_ENCRYPTION_KEY: encryptionKey }
  const first = opened.use(await startProduct({ env, dataDir }))
  const key = await setUp(first)
  const load = startLoad(first, key)
  await load.untilAnswered(100)
  database.cut()
  await load.untilAnswered(300)
  await first.kill9()
  await load.ended()
  expectServed(ledger.entries.filter(({ isWhole }) => isWhole))

  const second = opened.use(await startProduct({ env, dataDir }))
  const again = startLoad(second, key)
  await again.untilAnswered(200)
  database.restore()
  await again.untilAnswered(400)
  await again.stop()
  expectServed(ledger.entries.filter(({ isWhole }) => isWhole))
  await expectEachCountedOnce(second, [])
})

test(
  'two gateways of one data folder are killed; the one that comes back answers for both',
  { timeout: 180_000 },
  async () => {
    const { url } = opened.use(await openTestDatabase({ migrated: false }))
    const env = { DATABASE_URL: url, SIGNALBOX_ENCRYPTION_KEY: encryptionKey }
    const both = [await startProduct({ env, dataDir }), await startProduct({ env, dataDir })]
    both.forEach((product) => opened.use(product))
    const key = await setUp(both[0]!)
    const loads = both.map((product) => startLoad(product, key))
    await Promise.all(loads.map((load) => load.untilAnswered(100)))
    await Promise.all(both.map((product) => product.kill9()))
    await Promise.all(loads.map((load) => load.ended()))
    await expectEachCountedOnce(opened.use(await startProduct({ env, dataDir })), [])
  },
)

/** Kills it again and again; each time one stream is held open, and its beginning is on disk. */
async function expectSurvival(env: Readonly<Record<string, string>>): Promise<void> {
  let key: string | undefined
  const abandoned: Entry[] = []
  for (let round = 0; round < rounds; round++) {
    const product = opened.use(await startProduct({ env, dataDir }))
    key ??= await setUp(product)
    const held = await holdStream(product, key)
    const load = startLoad(product, key)
    await load.untilAnswered(answersPerRound + round * 37)
    await product.kill9()
    await load.ended()
    abandoned.push(await held.ended)
  }
  const product = opened.use(await startProduct({ env, dataDir }))
  await expectEachCountedOnce(product, abandoned)
}

async function setUp({ graphql }: Product): Promise<string> {
  await graphql.change(
    `mutation ($url: URL!) { deploymentCreate(input: { name: "llama", endpoints: [{ url: $url }] }) {
      userErrors { code path message }
    } }`,
    { url: upstream.baseUrl },
  )
  const { secret } = await graphql.change<{ secret: string }>(
    `mutation { apiKeyCreate(input: { name: "application" }) { secret userErrors { code path message } } }`,
  )
  return secret
}

function planOf(key: string, number: number): Plan {
  const stream = number % 2 === 0
  return {
    path: '/v1/chat/completions',
    key,
    body: { model: 'llama', stream, messages: [{ role: 'user', content: 'Hello?' }] },
    stream,
    moves: [{ kind: 'answer', pauseMs: number % 3 }],
    usage: { inputTokens: 10 + number, outputTokens: 5, cachedInputTokens: 0, reasoningTokens: 0 },
    leaves: 'never',
  }
}

interface Load {
  untilAnswered(count: number): Promise<unknown>
  /** No new requests; those in flight end. */
  stop(): Promise<void>
  /** After the gateway's death. */
  ended(): Promise<void>
}

/** Clients that ask one request after the other, until one of theirs gets no answer. */
function startLoad({ gatewayUrl }: Product, key: string): Load {
  let answered = 0
  const stopping = new AbortController()
  const client = async () => {
    for (let isAnswered = true; isAnswered && !stopping.signal.aborted;) {
      const entry = await ledger.ask(gatewayUrl, planOf(key, ledger.entries.length))
      isAnswered = entry.isWhole
      if (isAnswered) answered++
    }
  }
  const done = Promise.all(Array.from({ length: clients }, client)).then(() => undefined)
  return {
    untilAnswered: (count) => until(() => answered >= count, { timeoutMs: 30_000, what: `${count} answers` }),
    stop() {
      stopping.abort()
      return done
    },
    ended: () => done,
  }
}

/** A stream whose client has its first events, and whose beginning is in the spool. */
async function holdStream({ gatewayUrl }: Product, key: string): Promise<{ readonly ended: Promise<Entry> }> {
  const number = ledger.entries.length
  const ended = ledger.ask(gatewayUrl, { ...planOf(key, 0), moves: [{ kind: 'hold', events: 3 }] })
  const entry = ledger.entries[number]!
  await until(() => entry.text !== '' && isInSpool(entry.id!), { what: 'the beginning of a stream in the spool' })
  return { ended }
}

async function isInSpool(id: string): Promise<boolean> {
  const folder = join(dataDir, 'spool', '0')
  const segments = (await readdir(folder)).filter((name) => name.endsWith('.seg'))
  const contents = await Promise.all(segments.map((name) => readFile(join(folder, name))))
  return contents.some((bytes) => bytes.includes(id))
}

function expectServed(entries: readonly Entry[]): void {
  expect(entries.filter(({ status }) => status !== 200)).toEqual([])
}

/** `abandoned`: those whose beginning was on disk when the gateway died. */
async function expectEachCountedOnce(product: Product, abandoned: readonly Entry[]): Promise<void> {
  await untilNothingPends(product.graphql)
  const log = await readRequestLogs(product.graphql)
  const byId = new Map(log.map((one) => [one.id, one]))
  expect(byId.size).toBe(log.length)

  const whole = ledger.entries.filter(({ isWhole }) => isWhole)
  expect(whole.filter(({ id }) => byId.get(id!)?.outcome !== 'OK').slice(0, 3)).toEqual([])
  expect(whole.filter(({ id, plan }) => byId.get(id!)?.inputTokens !== plan.usage.inputTokens).slice(0, 3)).toEqual([])
  expect(abandoned.map(({ id }) => byId.get(id!)?.outcome)).toEqual(abandoned.map(() => 'GATEWAY_ERROR'))

  // Of those that were cut off, some had their end on the way, some were not yet marked as begun.
  const cutOff = new Set(ledger.entries.filter(({ isWhole }) => !isWhole).map(({ id }) => id))
  for (const { id } of whole) byId.delete(id!)
  expect([...byId.values()].filter(({ id }) => !cutOff.has(id)).filter(({ attempts }) => attempts.length > 0)).toEqual(
    [],
  )
  expect([...byId.values()].filter(({ outcome }) => !['OK', 'CANCELLED', 'GATEWAY_ERROR'].includes(outcome))).toEqual(
    [],
  )

  const { totals } = await readUsage(product.graphql)
  expect(totals.requests).toBe(log.length)
  expect(totals.inputTokens).toBe(log.reduce((sum, one) => sum + (one.inputTokens ?? 0), 0))
}
