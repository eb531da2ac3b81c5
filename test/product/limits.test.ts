/** Limits and budgets over processes of the product, whatever is killed. */
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { openTestDatabase } from '../support/database.ts'
import { type Product, startProduct } from '../support/product.ts'
import { after, status } from '../support/replies.ts'
import { until } from '../support/until.ts'
import { readUsage, untilNothingPends } from '../support/usage-api.ts'
import { openUpstream, type Upstream } from '../support/upstream.ts'

const rounds = Number(process.env['BUDGET_KILL_ROUNDS'] ?? 3)
/** What the budget pays for, at 0.01 USD each: more than the rounds use up. */
const affordable = Math.max(200, rounds * 64)
const amount = String(affordable / 100)
const clientsEach = 8

async function setUp({ graphql }: Product, upstream: Upstream): Promise<string> {
  await graphql.change(
    `mutation ($input: ProviderCreateInput!) { providerCreate(input: $input) { userErrors { code path message } } }`,
    {
      input: {
        name: 'paid',
        baseUrl: upstream.baseUrl,
        secrets: ['secret'],
        models: [{ upstreamModel: 'm', pricing: { inputPerMillion: '0', outputPerMillion: '0', perRequest: '0.01' } }],
      },
    },
  )
  await graphql.change(
    `mutation { routeCreate(input: { name: "chat", targets: [{ backend: { providerModel: { provider: "paid", model: "m" } } }] }) {
      userErrors { code path message } } }`,
  )
  const { secret } = await graphql.change<{ secret: string }>(
    `mutation { apiKeyCreate(input: { name: "client" }) { secret userErrors { code path message } } }`,
  )
  return secret
}

/** The status; 0: no answer came. */
async function chat({ gatewayUrl }: Product, key: string): Promise<number> {
  try {
    const answer = await fetch(`${gatewayUrl}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'chat', messages: [{ role: 'user', content: 'hi' }] }),
    })
    await answer.arrayBuffer()
    return answer.status
  } catch {
    return 0
  }
}

test('four gateways under uneven load let through no more than burst + rate × t, also when one is killed', async () => {
  await using opened = new AsyncDisposableStack()
  const { url } = opened.use(await openTestDatabase({ migrated: false }))
  const upstream = opened.use(await openUpstream({ name: 'a' }))
  const env = { DATABASE_URL: url, SIGNALBOX_ENCRYPTION_KEY: '8'.repeat(64) }
  const first = opened.use(await startProduct({ env }))
  const key = await setUp(first, upstream)
  await first.graphql.change(
    `mutation { rateLimitCreate(input: { subject: { installation: true }, requestsPerMinute: 600, burst: 20 }) {
      userErrors { code path message } } }`,
  )
  const others = await Promise.all([1, 2, 3].map(() => startProduct({ env })))
  others.forEach((product) => opened.use(product))
  const begunAtMs = performance.now()
  const over = new AbortController()
  const press = async (product: Product) => {
    while (!over.signal.aborted) await chat(product, key)
  }
  const loads = [first, first, first, others[0]!, others[1]!, others[2]!].map(press)
  await until(() => upstream.inferences.length >= 40, { timeoutMs: 30_000 })
  await others[2]!.kill9()
  await until(() => upstream.inferences.length >= 90, { timeoutMs: 30_000 })
  over.abort()
  await Promise.all(loads)
  const seconds = (performance.now() - begunAtMs) / 1000
  expect(upstream.inferences.length).toBeLessThanOrEqual(20 + 10 * seconds)
}, 400_000)

test(
  'a budget is never passed while its gateway is killed again and again, and nothing of it leaks',
  async () => {
    await using opened = new AsyncDisposableStack()
    const folder = await mkdtemp(join(tmpdir(), 'sbx-budget-'))
    await chmod(folder, 0o755)
    opened.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }))
    const dataDir = join(folder, 'data')
    const upstream = opened.use(
      await openUpstream({
        name: 'a',
        script: ({ method }) => (method === 'GET' ? undefined : after(sleep(20), status(200, answer))),
      }),
    )
    let key: string | undefined
    let answered = 0
    /** Until no answer comes; `untilRefused`: or the budget is used up. */
    const press = async (product: Product, untilRefused: boolean) => {
      for (;;) {
        const got = await chat(product, key!)
        if (got === 200) answered++
        if (got === 0 || (untilRefused && got === 429)) return
      }
    }
    for (let round = 0; round < rounds; round++) {
      const product = opened.use(await startProduct({ dataDir }))
      if (key === undefined) {
        key = await setUp(product, upstream)
        await product.graphql.change(
          `mutation { budgetCreate(input: { subject: { installation: true }, amount: "${amount}", period: TOTAL }) {
          userErrors { code path message } } }`,
        )
      }
      const before = answered
      const loads = Array.from({ length: clientsEach }, () => press(product, false))
      await until(() => answered >= before + 20, { timeoutMs: 60_000 })
      await product.kill9()
      await Promise.all(loads)
    }
    const product = opened.use(await startProduct({ dataDir }))
    // What a killed gateway held comes back when its lease ends: until then the last requests are refused.
    await until(
      async () => {
        await Promise.all(Array.from({ length: clientsEach }, () => press(product, true)))
        await untilNothingPends(product.graphql)
        return (await spentOf(product)) === amount
      },
      { timeoutMs: 90_000, everyMs: 500 },
    )
    expect(await chat(product, key!)).toBe(429)
    expect(await spentOf(product)).toBe(amount)
    // A request that was under way when its gateway was killed has no cost in its record.
    expect(answered).toBeLessThanOrEqual(affordable)
  },
  400_000 + rounds * 5_000,
)

const answer = {
  object: 'chat.completion',
  choices: [{ index: 0, message: { role: 'assistant', content: 'hi' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
}

async function spentOf(product: Product): Promise<string> {
  const { totals } = await readUsage(product.graphql)
  return totals.cost ?? '0'
}
