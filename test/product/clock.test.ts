/** The clock of a gateway is set, forwards and backwards, while it serves. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openTestDatabase } from '../support/database.ts'
import { Ledger, type Move, type Plan } from '../support/ledger.ts'
import { type Product, startProduct } from '../support/product.ts'
import { until } from '../support/until.ts'
import { readRequestLogs, readUsage, untilNothingPends } from '../support/usage-api.ts'
import { after, status } from '../support/replies.ts'
import { openUpstream } from '../support/upstream.ts'

const dayMs = 86_400_000
const errors = 'userErrors { code path message }'

let opened: AsyncDisposableStack
let ledger: Ledger
let product: Product
let clockFile: string

beforeEach(async () => {
  opened = new AsyncDisposableStack()
  const folder = mkdtempSync(join(tmpdir(), 'sbx-clock-'))
  opened.defer(() => rmSync(folder, { recursive: true }))
  clockFile = join(folder, 'offset')
  writeFileSync(clockFile, '0')
  ledger = opened.use(new Ledger())
  const { url } = opened.use(await openTestDatabase({ migrated: false }))
  product = opened.use(
    await startProduct({
      env: {
        DATABASE_URL: url,
        SIGNALBOX_ENCRYPTION_KEY: '9'.repeat(64),
        NODE_OPTIONS: `--import ${join(import.meta.dirname, '../support/jumping-clock.ts')}`,
        JUMPING_CLOCK: clockFile,
      },
    }),
  )
  for (const name of ['llama', 'flaky']) {
    const upstream = opened.use(
      await openUpstream({
        name,
        script: (request) => (request.method === 'GET' ? undefined : ledger.reply({ name, models: [] }, request)),
      }),
    )
    await product.graphql.change(
      `mutation ($input: DeploymentCreateInput!) { deploymentCreate(input: $input) { ${errors} } }`,
      { input: { name, endpoints: [{ url: upstream.baseUrl }] } },
    )
  }
})

afterEach(() => opened.disposeAsync())

/** From the clock of this machine; resolves when the gateway's shows it. */
async function setClock(offsetMs: number): Promise<void> {
  writeFileSync(clockFile, String(offsetMs))
  process.kill(product.pid, 'SIGUSR2')
  await until(async () => {
    const response = await fetch(`${product.gatewayUrl}/v1/models`, {
      headers: { authorization: `Bearer ${product.adminKey}` },
    })
    await response.text()
    const id = response.headers.get('x-request-id')!
    return Math.abs(instantOf(id) - Date.now() - offsetMs) < 30_000
  })
}

/** A ULID begins with its milliseconds, in Crockford's alphabet (https://github.com/ulid/spec). */
function instantOf(id: string): number {
  const digits = id.slice('req_'.length, 'req_'.length + 10).toLowerCase()
  return Array.from(digits).reduce((value, digit) => value * 32 + '0123456789abcdefghjkmnpqrstvwxyz'.indexOf(digit), 0)
}

function ask(model: string, moves: readonly Move[] = [], stream = false) {
  const plan: Plan = {
    path: '/v1/chat/completions',
    key: product.adminKey,
    body: { model, stream, messages: [] },
    stream,
    moves,
    usage: { inputTokens: 10, outputTokens: 5, cachedInputTokens: 0, reasoningTokens: 0 },
    leaves: 'never',
  }
  return ledger.ask(product.gatewayUrl, plan)
}

test('requests go on, each is counted once, and reports are complete again', { timeout: 90_000 }, async () => {
  const number = ledger.entries.length
  const long = ask('llama', [{ kind: 'answer', pauseMs: 600 }], true)
  await until(() => ledger.entries[number]!.text !== '')
  // Days ahead there is no partition yet; a second is the step of a time server; the last one is where it began.
  for (const offsetMs of [5 * dayMs, -3 * dayMs, 1_500, -3_600_000, 0]) {
    await setClock(offsetMs)
    const answers = await Promise.all([ask('llama'), ask('llama', [], true), ask('llama')])
    expect(answers.map(({ status, isWhole }) => [status, isWhole])).toEqual(answers.map(() => [200, true]))
  }
  expect(await long).toMatchObject({ status: 200, isWhole: true })

  await untilNothingPends(product.graphql)
  const log = (await readRequestLogs(product.graphql)).filter(({ operation }) => operation !== '/v1/models')
  expect(log).toHaveLength(ledger.entries.length)
  expect(new Set(log.map(({ id }) => id))).toEqual(new Set(ledger.entries.map(({ id }) => id)))
  expect(log.filter(({ outcome }) => outcome !== 'OK')).toEqual([])
  const { totals } = await readUsage(product.graphql, { groupBy: ['ROUTE'] })
  expect(totals.inputTokens).toBe(10 * ledger.entries.length)
  const { requestLog } = await product.graphql.request<{ requestLog: { durationMs: number } }>(
    `query ($id: ID!) { requestLog(id: $id) { durationMs } }`,
    { id: (await long).id },
  )
  expect(requestLog.durationMs).toBeLessThan(60_000)
  const { route } = await product.graphql.request<{ route: { traffic: { requests: number } } }>(
    `{ route(by: { name: "llama" }) { traffic { requests } } }`,
  )
  expect(route.traffic.requests).toBeGreaterThan(0)
})

test('a request whose first attempt fails after the clock was set still has its time for the next one', async () => {
  const released = Promise.withResolvers<void>()
  const [first, second] = [opened.use(await openUpstream()), opened.use(await openUpstream({ name: 'second' }))]
  for (const [name, upstream] of Object.entries({ first, second }))
    await product.graphql.change(
      `mutation ($input: DeploymentCreateInput!) { deploymentCreate(input: $input) { ${errors} } }`,
      { input: { name, endpoints: [{ url: upstream.baseUrl }] } },
    )
  await product.graphql.change(
    `mutation ($input: RouteFallbackSetInput!) { routeFallbackSet(input: $input) { ${errors} } }`,
    { input: { route: { name: 'first' }, fallback: { backends: [{ deployment: 'second' }] } } },
  )
  first.answerNext(after(released.promise, status(500)))
  const answer = fetch(`${product.gatewayUrl}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${product.adminKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'first', messages: [] }),
  })
  await until(() => first.inferences.length === 1)
  await setClock(dayMs)
  released.resolve()
  const { status: code, headers } = await answer
  expect([code, headers.get('x-signalbox-backend')]).toEqual([200, 'second'])
})

test(
  'a circuit that opened before the clock went back is tried again as soon as one that did not',
  { timeout: 90_000 },
  async () => {
    for (let i = 0; i < 12; i++) await ask('flaky', [{ kind: 'status', status: 500 }])
    const circuit = async () => {
      const { deployment } = await product.graphql.request<{
        deployment: { endpoints: { health: { circuit: string } }[] }
      }>(`{ deployment(by: { name: "flaky" }) { endpoints { health { circuit } } } }`)
      return deployment.endpoints[0]!.health.circuit
    }
    expect(await circuit()).toBe('OPEN')
    await setClock(-dayMs)
    await until(async () => (await ask('flaky')).status === 200, { timeoutMs: 20_000 })
    await until(async () => (await circuit()) === 'CLOSED')
  },
)

test('a switch holds at once, and live traffic counts, after the clock was set', { timeout: 90_000 }, async () => {
  await product.graphql.change(`mutation ($input: RouteCreateInput!) { routeCreate(input: $input) { ${errors} } }`, {
    input: { name: 'both', targets: ['llama', 'flaky'].map((deployment) => ({ backend: { deployment } })) },
  })
  const seen: string[] = []
  for (const [turn, offsetMs] of [2 * dayMs, -2 * dayMs, 0].entries()) {
    await setClock(offsetMs)
    const [on, off] = turn % 2 === 0 ? ['llama', 'flaky'] : ['flaky', 'llama']
    await product.graphql.change(
      `mutation ($input: RouteTrafficSetInput!) { routeTrafficSet(input: $input) { ${errors} } }`,
      {
        input: {
          route: { name: 'both' },
          weights: [
            { target: { deployment: on }, weight: 1 },
            { target: { deployment: off }, weight: 0 },
          ],
        },
      },
    )
    const { arrivals } = await ask('both')
    seen.push(...arrivals.map(({ upstream }) => upstream))
    const { route } = await product.graphql.request<{ route: { traffic: { requests: number } } }>(
      `{ route(by: { name: "both" }) { traffic { requests } } }`,
    )
    expect(route.traffic.requests).toBeGreaterThan(0)
  }
  expect(seen).toEqual(['llama', 'flaky', 'llama'])
})
