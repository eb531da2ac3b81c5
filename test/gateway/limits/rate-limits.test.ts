/** Rate limits of callers and routes, over real buckets in PostgreSQL. */
import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import { expect, test } from 'vitest'
import type { RateLimit } from '../../../src/routing/limits/limit.ts'
import { createLeasePort } from '../../../src/server/limits/lease-port.ts'
import { readRateLimitStates } from '../../../src/storage/limit/states.ts'
import { openTestDatabase } from '../../support/database.ts'
import { until } from '../../support/until.ts'
import { openUpstream } from '../../support/upstream.ts'
import { openTestGateway, provider, route } from '../support/open-test-gateway.ts'

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

async function open(...rateLimits: RateLimit[]) {
  await using opened = new AsyncDisposableStack()
  const database = opened.use(await openTestDatabase())
  const upstream = opened.use(await openUpstream({ name: 'a' }))
  const gateway = opened.use(
    await openTestGateway(
      {
        providers: [provider('a', upstream.baseUrl)],
        routes: [route('chat', ['pmd_a']), route('other', ['pmd_a'])],
        rateLimits,
      },
      { ports: { leaseLimits: createLeasePort(database.db, 'gateway-test') } },
    ),
  )
  const chat = (model = 'chat', rest: object = {}) =>
    gateway.post('/chat/completions', { model, messages: [{ role: 'user', content: 'hi' }], ...rest })
  const stack = opened.move()
  return { db: database.db, upstream, gateway, chat, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

test('of requests that come at once exactly the burst is let through; the rest gets 429 without a call upstream', async () => {
  await using it = await open(rateLimit({ requestsPerMinute: 60, burst: 3 }))
  const answers = await Promise.all(Array.from({ length: 10 }, () => it.chat()))
  expect(answers.filter(({ status }) => status === 200).length).toBe(3)
  expect(it.upstream.inferences.length).toBe(3)
  const refused = answers.find(({ status }) => status === 429)!
  expect(await refused.json()).toMatchObject({
    error: {
      code: 'rate_limit_exceeded',
      type: 'rate_limit_error',
      message: expect.stringMatching(/60 requests per minute for this installation; try again in/),
    },
  })
  expect(Number(refused.headers.get('retry-after'))).toBe(1)
  expect(Number(refused.headers.get('retry-after-ms'))).toBeGreaterThan(0)
  expect(Number(refused.headers.get('retry-after-ms'))).toBeLessThanOrEqual(1_000)
  expect(refused.headers.get('x-ratelimit-limit-requests')).toBe('60')
  expect(refused.headers.get('x-ratelimit-remaining-requests')).toBe('0')
  expect(refused.headers.get('x-ratelimit-reset-requests')).toMatch(/^[\d.]+m?s$/)
  const limited = it.gateway.records.filter(({ outcome }) => outcome === 'LIMITED')
  expect(limited.length).toBe(7)
  expect(limited[0]).toMatchObject({ status: 429, errorCode: 'rate_limit_exceeded', attempts: [], routeName: 'chat' })
  const ended = it.gateway.traffic.filter(({ end }) => end?.outcome === 'LIMITED')
  expect(ended.length).toBe(7)
  expect(ended[0]!.place).toMatchObject({ routeId: 'rte_chat', backendId: null })
})

test('Anthropic’s clients get errors and headers in their form', async () => {
  await using it = await open(rateLimit({ requestsPerMinute: 60, burst: 1, tokensPerMinute: 60_000 }))
  const post = () =>
    it.gateway.post('/messages', { model: 'chat', max_tokens: 10, messages: [{ role: 'user', content: 'hi' }] })
  const served = await post()
  expect(served.status).toBe(200)
  expect(served.headers.get('anthropic-ratelimit-requests-limit')).toBe('60')
  expect(served.headers.get('anthropic-ratelimit-requests-remaining')).toBe('0')
  expect(Date.parse(served.headers.get('anthropic-ratelimit-tokens-reset')!)).toBeGreaterThan(Date.now() - 1_000)
  expect(served.headers.get('x-ratelimit-limit-requests')).toBeNull()
  const refused = await post()
  expect(refused.status).toBe(429)
  expect(await refused.json()).toMatchObject({ type: 'error', error: { type: 'rate_limit_error' } })
})

test('the official clients wait as they are told, and go on by themselves', async () => {
  await using it = await open(rateLimit({ requestsPerMinute: 120, burst: 1 }))
  const openai = new OpenAI({ apiKey: it.gateway.key, baseURL: `${it.gateway.origin}/v1`, maxRetries: 5 })
  const anthropic = new Anthropic({ apiKey: it.gateway.key, baseURL: it.gateway.origin, maxRetries: 5 })
  for (let i = 0; i < 2; i++) {
    const chat = await openai.chat.completions.create({ model: 'chat', messages: [{ role: 'user', content: 'hi' }] })
    expect(chat.choices[0]?.message.content).toBe('hello from a')
    const message = await anthropic.messages.create({
      model: 'chat',
      max_tokens: 10,
      messages: [{ role: 'user', content: 'hi' }],
    })
    expect(message.type).toBe('message')
  }
  expect(it.upstream.inferences.length).toBe(4)
})

test('every limit that matches must have room, the narrowest answers, and a refusal takes nothing from the others', async () => {
  await using it = await open(
    rateLimit({ id: 'lim_all', requestsPerMinute: 60, burst: 5 }),
    rateLimit({ id: 'lim_chat', subject: { kind: 'ROUTE', id: 'rte_chat' }, requestsPerMinute: 6, burst: 1 }),
  )
  expect((await it.chat()).status).toBe(200)
  for (let i = 0; i < 6; i++) {
    const refused = await it.chat()
    expect(await refused.text()).toContain('6 requests per minute for this model')
  }
  const others = await Promise.all(Array.from({ length: 4 }, () => it.chat('other')))
  expect(others.map(({ status }) => status)).toEqual([200, 200, 200, 200])
})

test('a limit per route counts each of them apart', async () => {
  await using it = await open(
    rateLimit({ subject: { kind: 'API_KEY', id: 'key_test' }, per: ['ROUTE'], requestsPerMinute: 6, burst: 1 }),
  )
  expect([(await it.chat()).status, (await it.chat()).status]).toEqual([200, 429])
  expect([(await it.chat('other')).status, (await it.chat('other')).status]).toEqual([200, 429])
  await until(async () => {
    const states = await readRateLimitStates(it.db, 'lim_test')
    expect(states.flatMap(({ ids }) => ids).toSorted((a, b) => (a < b ? -1 : 1))).toEqual(['rte_chat', 'rte_other'])
    expect(states.map(({ refusedLastHour }) => refusedLastHour)).toEqual([1, 1])
    return true
  })
})

test('a limit that only observes lets everything through, and counts what it would have refused', async () => {
  await using it = await open(rateLimit({ requestsPerMinute: 6, burst: 2, enforcement: 'OBSERVE' }))
  const answers = await Promise.all(Array.from({ length: 5 }, () => it.chat()))
  expect(answers.every(({ status }) => status === 200)).toBe(true)
  expect(answers[0]!.headers.get('x-ratelimit-limit-requests')).toBeNull()
  await until(async () => {
    const [state] = await readRateLimitStates(it.db, 'lim_test')
    expect(state).toMatchObject({ wouldRefuseLastHour: 3, refusedLastHour: 0 })
    return true
  })
})

test('tokens are reserved by max_tokens and settled by what was used', async () => {
  await using it = await open(rateLimit({ tokensPerMinute: 600_000, burst: 10_000 }))
  const answer = await it.chat('chat', { max_tokens: 9_000 })
  expect(answer.status).toBe(200)
  const { usage } = (await answer.json()) as { usage: { total_tokens: number } }
  expect(answer.headers.get('x-ratelimit-limit-tokens')).toBe('600000')
  await until(async () => {
    const [state] = await readRateLimitStates(it.db, 'lim_test')
    expect(state!.tokensLeft).toBeGreaterThanOrEqual(10_000 - usage.total_tokens)
    return true
  })
})

test('requests at the same time are bounded, and a place is free again when its request ends, by a client that left too', async () => {
  await using it = await open(rateLimit({ inFlight: 2 }))
  const held = Promise.withResolvers<void>()
  it.upstream.setScript(() => async ({ response }) => {
    await held.promise
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end('{"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"x"}}]}')
  })
  const leaving = new AbortController()
  const first = fetch(`${it.gateway.origin}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${it.gateway.key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'chat', messages: [] }),
    signal: leaving.signal,
  }).catch(() => undefined)
  const second = it.chat()
  await until(() => it.upstream.inferences.length === 2)
  const refused = await it.chat()
  expect(refused.status).toBe(429)
  expect(await refused.text()).toContain('2 requests at the same time')
  leaving.abort()
  await first
  await until(() => it.gateway.records.some(({ outcome }) => outcome === 'CANCELLED'))
  const third = it.chat()
  await until(() => it.upstream.inferences.length === 3)
  held.resolve()
  expect((await second).status).toBe(200)
  expect((await third).status).toBe(200)
})

test('without the database a gateway goes on with its share, and nobody waits for it', async () => {
  await using it = await open(rateLimit({ requestsPerMinute: 60_000, burst: 2 }))
  expect((await it.chat()).status).toBe(200)
  await using away = await openTestGateway(
    {
      providers: [provider('a', it.upstream.baseUrl)],
      routes: [route('chat', ['pmd_a'])],
      rateLimits: [rateLimit({ requestsPerMinute: 60_000 })],
    },
    { ports: { leaseLimits: () => Promise.reject(new Error('the database is away')) } },
  )
  const post = () => away.post('/chat/completions', { model: 'chat', messages: [] })
  await until(async () => (await post()).status === 200)
  expect(away.logs.some(({ message }) => message.includes('share'))).toBe(true)
})
