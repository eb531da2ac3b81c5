/** Limits of backends, and budgets, over real buckets and real usage sums in PostgreSQL. */
import { expect, test } from 'vitest'
import { noFurtherPrices, type Configuration, type Pricing } from '../../../src/routing/config/configuration.ts'
import type { Budget, RateLimit } from '../../../src/routing/limits/limit.ts'
import { backendAvailability } from '../../../src/routing/choose/availability.ts'
import { createBudgetPort, createLeasePort } from '../../../src/server/limits/lease-port.ts'
import { listBudgetReserved } from '../../../src/storage/budget/lease.ts'
import { listSpent } from '../../../src/storage/budget/spent.ts'
import { insertUsageRecords } from '../../../src/storage/usage/ledger/insert.ts'
import { maintainUsagePartitions } from '../../../src/storage/usage/ledger/partitions.ts'
import { openTestDatabase } from '../../support/database.ts'
import { status } from '../../support/replies.ts'
import { until } from '../../support/until.ts'
import { openUpstream } from '../../support/upstream.ts'
import { compile, deployment, openTestGateway, provider, route } from '../support/open-test-gateway.ts'

const pricing: Pricing = {
  ...noFurtherPrices,
  inputPerMillion: '0',
  outputPerMillion: '0',
  cachedInputPerMillion: null,
  perRequest: '0.25',
}

function rateLimit(rest: Partial<RateLimit>): RateLimit {
  return {
    id: 'lim_test',
    subject: { kind: 'INSTALLATION' },
    per: [],
    requestsPerMinute: null,
    tokensPerMinute: null,
    inFlight: null,
    burst: null,
    enforcement: 'ENFORCE',
    ...rest,
  }
}

function budget(rest: Partial<Budget>): Budget {
  return {
    id: 'bud_test',
    revision: 1,
    subject: { kind: 'INSTALLATION' },
    per: [],
    amount: '1',
    period: 'MONTH',
    timeZone: 'UTC',
    warnAt: [],
    onExhausted: 'REFUSE',
    unpricedReserve: null,
    raise: null,
    ...rest,
  }
}

/** A paid provider `paid`, GPUs of one's own `own`, and what is asked for. Records reach the database as they do in the product, later. */
async function open(configuration: (ids: { paid: string; own: string }) => Partial<Configuration>) {
  await using opened = new AsyncDisposableStack()
  const database = opened.use(await openTestDatabase())
  await maintainUsagePartitions(database.db, 30, Date.now())
  const paid = opened.use(await openUpstream({ name: 'paid' }))
  const own = opened.use(await openUpstream({ name: 'own' }))
  const stored: Promise<void>[] = []
  const all = {
    providers: [
      provider('paid', paid.baseUrl, {
        models: [
          { id: 'pmd_paid', upstreamModel: 'm', categories: ['LLM'], pricing, operations: null, contextTokens: null },
        ],
      }),
    ],
    deployments: [deployment('own', [own.baseUrl])],
    ...configuration({ paid: 'pmd_paid', own: 'dep_own' }),
  } satisfies Partial<Configuration>
  const gateway = opened.use(
    await openTestGateway(all, {
      append: (record, written) => {
        written()
        stored.push(insertUsageRecords(database.db, [record]).then(() => gateway.gateway.noteStored([record.id])))
      },
      ports: {
        leaseLimits: createLeasePort(database.db, 'gateway-test'),
        leaseBudgets: createBudgetPort(database.db, { gatewayId: 'gateway-test', spoolId: 'spool-test' }),
      },
    }),
  )
  opened.defer(async () => void (await Promise.all(stored)))
  const chat = (model = 'chat') =>
    gateway.post('/chat/completions', { model, messages: [{ role: 'user', content: 'hi' }] })
  const stack = opened.move()
  return {
    db: database.db,
    paid,
    own,
    gateway,
    chat,
    all,
    spent: async (of = budget({})) => (await listSpent(database.db, of, { from: 0, to: Date.now() + 60_000 }))[0]?.cost,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

test('a limit on a provider refuses nobody: what is beyond it goes to the fallback, and the live split says why', async () => {
  await using it = await open(({ paid, own }) => ({
    routes: [route('chat', [paid], { fallback: [own] })],
    rateLimits: [rateLimit({ subject: { kind: 'PROVIDER', id: 'prv_paid' }, requestsPerMinute: 6, burst: 2 })],
  }))
  const answers = await Promise.all(Array.from({ length: 6 }, () => it.chat()))
  expect(answers.every(({ status }) => status === 200)).toBe(true)
  expect(it.paid.inferences.length).toBe(2)
  expect(it.own.inferences.length).toBe(4)
  const fallen = answers.filter(({ headers }) => headers.has('x-signalbox-fallback'))
  expect(fallen.map(({ headers }) => headers.get('x-signalbox-fallback'))).toEqual(Array(4).fill('unavailable'))
  const diverged = it.gateway.traffic.flatMap(({ end }) => end?.divergence ?? [])
  expect(diverged.map(({ reason }) => reason)).toEqual(Array(4).fill('RATE_LIMITED'))
  const backend = compile(it.all).backends.get('pmd_paid')
  expect(backendAvailability(backend, it.gateway.gateway.live, null)).toBe('RATE_LIMITED')
})

test('without a fallback it is 503 with the time until the limit has room', async () => {
  await using it = await open(({ paid }) => ({
    routes: [route('chat', [paid])],
    rateLimits: [rateLimit({ subject: { kind: 'PROVIDER_MODEL', id: 'pmd_paid' }, requestsPerMinute: 6, burst: 1 })],
  }))
  expect((await it.chat()).status).toBe(200)
  const refused = await it.chat()
  expect(refused.status).toBe(503)
  expect(await refused.text()).toContain('no_target_available')
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(1)
})

test('a caller’s budget refuses with 429 insufficient_quota when the next request could pass it, and clients are told not to retry', async () => {
  await using it = await open(({ paid }) => ({ routes: [route('chat', [paid])], budgets: [budget({})] }))
  const answers = await Promise.all(Array.from({ length: 10 }, () => it.chat()))
  expect(answers.filter(({ status }) => status === 200).length).toBe(4)
  const refused = answers.find(({ status }) => status === 429)!
  expect(refused.headers.get('x-should-retry')).toBe('false')
  expectUntilEndOf('MONTH', refused.headers)
  expect(await refused.json()).toMatchObject({
    error: { code: 'insufficient_quota', type: 'insufficient_quota', message: expect.stringContaining('this month') },
  })
  expect(it.paid.inferences.length).toBe(4)
  expect(it.gateway.records.filter(({ outcome }) => outcome === 'LIMITED').length).toBe(6)
  await until(async () => (await it.spent()) === '1')
  await until(async () => (await listBudgetReserved(it.db, 'bud_test', startOfMonth())).length === 0)
})

test.each(['TOTAL', 'MONTH'] as const)(
  'a budget that is used up invites nobody to try again before its next period: %s, of a route and of a backend',
  async (period) => {
    await using it = await open(({ paid }) => ({
      routes: [route('chat', [paid]), route('own', [paid])],
      budgets: [
        budget({ amount: '0.1', period, subject: { kind: 'ROUTE', id: 'rte_own' } }),
        budget({ id: 'bud_paid', amount: '0.1', period, subject: { kind: 'PROVIDER', id: 'prv_paid' } }),
      ],
    }))
    const refusals = [await it.chat('own'), await it.chat()]
    expect(refusals.map(({ status }) => status)).toEqual([429, 503])
    for (const { headers } of refusals) {
      expect(headers.get('x-should-retry')).toBe('false')
      expectUntilEndOf(period, headers)
    }
  },
)

test('what was reserved and not spent is free again at once', async () => {
  await using it = await open(({ paid }) => ({ routes: [route('chat', [paid])], budgets: [budget({ amount: '0.3' })] }))
  it.paid.answerNext(status(400, { error: { message: 'no', type: 'invalid_request_error' } }))
  expect((await it.chat()).status).toBe(400)
  expect((await it.chat()).status).toBe(200)
  expect((await it.chat()).status).toBe(429)
})

test('SKIP_PRICED leaves out what has a price: one’s own GPUs go on', async () => {
  await using it = await open(({ paid, own }) => ({
    routes: [route('chat', [paid, [own, 1]])],
    budgets: [budget({ amount: '0.5', onExhausted: 'SKIP_PRICED' })],
  }))
  for (let i = 0; i < 6; i++) expect((await it.chat()).status).toBe(200)
  expect(it.paid.inferences.length).toBe(2)
  expect(it.own.inferences.length).toBe(4)
})

test('SKIP_PRICED with nothing left is 429 insufficient_quota', async () => {
  await using it = await open(({ paid }) => ({
    routes: [route('chat', [paid])],
    budgets: [budget({ amount: '0.25', onExhausted: 'SKIP_PRICED' })],
  }))
  expect((await it.chat()).status).toBe(200)
  const refused = await it.chat()
  expect(refused.status).toBe(429)
  expect(await refused.text()).toContain('insufficient_quota')
})

test('a budget on a provider is burst to the paid one up to so much: then it goes elsewhere', async () => {
  await using it = await open(({ paid, own }) => ({
    routes: [route('chat', [paid], { fallback: [own] })],
    budgets: [budget({ subject: { kind: 'PROVIDER', id: 'prv_paid' }, amount: '0.75' })],
  }))
  for (let i = 0; i < 5; i++) expect((await it.chat()).status).toBe(200)
  expect(it.paid.inferences.length).toBe(3)
  expect(it.own.inferences.length).toBe(2)
  const diverged = it.gateway.traffic.flatMap(({ end }) => end?.divergence ?? [])
  expect(diverged.map(({ reason }) => reason)).toEqual(['BUDGET_EXHAUSTED', 'BUDGET_EXHAUSTED'])
})

test('a paid fallback asks the budget too', async () => {
  await using it = await open(({ paid, own }) => ({
    routes: [route('chat', [own], { fallback: [paid] })],
    budgets: [budget({ amount: '0.25' })],
  }))
  it.own.setScript(() => status(500, { error: { message: 'broken' } }))
  expect((await it.chat()).status).toBe(200)
  expect((await it.chat()).status).toBe(500)
  expect(it.paid.inferences.length).toBe(1)
})

test('NOTIFY refuses nobody, and what was spent is counted', async () => {
  await using it = await open(({ paid }) => ({
    routes: [route('chat', [paid])],
    budgets: [budget({ amount: '0.3', onExhausted: 'NOTIFY' })],
  }))
  for (let i = 0; i < 3; i++) expect((await it.chat()).status).toBe(200)
  await until(async () => (await it.spent()) === '0.75')
})

test('a raised budget is open again at once', async () => {
  await using it = await open(({ paid }) => ({
    routes: [route('chat', [paid])],
    budgets: [budget({ amount: '0.25' })],
  }))
  expect((await it.chat()).status).toBe(200)
  expect((await it.chat()).status).toBe(429)
  it.gateway.use({
    ...it.all,
    budgets: [budget({ amount: '0.25', raise: { periodStartMs: startOfMonth(), amount: '0.25' } })],
  })
  expect((await it.chat()).status).toBe(200)
  expect((await it.chat()).status).toBe(429)
})

test('what has no price is taken to cost what the budget states, and nothing is spent on it', async () => {
  await using it = await open(({ own }) => ({
    routes: [route('chat', [own])],
    budgets: [budget({ amount: '0.1', unpricedReserve: '0.2' })],
  }))
  expect((await it.chat()).status).toBe(429)
  it.gateway.use({ ...it.all, budgets: [budget({ amount: '0.2', unpricedReserve: '0.2' })] })
  expect((await it.chat()).status).toBe(200)
  expect((await it.chat()).status).toBe(200)
})

/** At most a day, and counted a moment ago. */
function expectUntilEndOf(period: 'TOTAL' | 'MONTH', headers: Headers): void {
  const now = new Date()
  const leftSeconds = (Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1) - now.getTime()) / 1000
  const [least, most] = [Math.max(1, Math.floor(Math.min(86_400, leftSeconds))), Math.min(86_400, leftSeconds + 60)]
  const told = headers.get('retry-after')
  const isWithin = told !== null && Number(told) >= least && Number(told) <= most
  expect({ told, isTrue: period === 'TOTAL' ? told === null : isWithin }).toMatchObject({ isTrue: true })
}

function startOfMonth(): number {
  const now = new Date()
  return Date.UTC(now.getUTCFullYear(), now.getUTCMonth())
}
