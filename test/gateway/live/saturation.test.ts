import { expect, test } from 'vitest'
import { after, status } from '../../support/replies.ts'
import { openUpstream } from '../../support/upstream.ts'
import { until } from '../../support/until.ts'
import { deployment, openTestGateway, provider, route } from '../support/open-test-gateway.ts'

const request = { model: 'chat', messages: [] }

test('a full deployment bursts to the fallback by exactly the overflow, and the traffic comes home by itself', async () => {
  const gate = Promise.withResolvers<void>()
  await using own = await openUpstream({ name: 'own', script: () => after(gate.promise, status(200, { own: true })) })
  await using cloud = await openUpstream({ name: 'cloud' })
  await using gateway = await openTestGateway({
    deployments: [deployment('own', [own.baseUrl], { maxInFlight: 3 })],
    providers: [provider('cloud', cloud.baseUrl)],
    routes: [route('chat', ['dep_own'], { fallback: ['pmd_cloud'] })],
  })
  const answers = Array.from({ length: 10 }, () => gateway.post('/chat/completions', request))
  await until(() => gateway.records.length === 7)
  expect(own.requests).toHaveLength(3)
  gate.resolve()
  const triggers = (await Promise.all(answers)).map(({ headers }) => headers.get('x-signalbox-fallback'))
  expect(triggers.filter((trigger) => trigger === 'saturated')).toHaveLength(7)
  const home = await gateway.post('/chat/completions', request)
  expect(home.headers.get('x-signalbox-backend')).toBe('own')
  expect(gateway.records.filter((record) => record.attempts.length !== 1)).toEqual([])
  const ends = gateway.traffic.filter(({ kind, end }) => kind === 'ended' && end?.divergence?.reason === 'SATURATED')
  expect(ends).toHaveLength(7)
})

test('those who wait are served in order, and never more at once than the endpoint takes', async () => {
  let atOnce = 0
  let most = 0
  await using own = await openUpstream({
    name: 'own',
    script: () => async (exchange) => {
      most = Math.max(most, ++atOnce)
      await new Promise((resolve) => setTimeout(resolve, 5))
      atOnce--
      await status(200, {})(exchange)
    },
  })
  await using gateway = await openTestGateway({
    deployments: [deployment('own', [own.baseUrl], { maxInFlight: 2, queue: { maxWaiting: 50, maxWaitMs: 10_000 } })],
    routes: [route('chat', ['dep_own'])],
  })
  const answers = await Promise.all(Array.from({ length: 40 }, () => gateway.post('/chat/completions', request)))
  expect(answers.every((answer) => answer.status === 200)).toBe(true)
  expect(most).toBeLessThanOrEqual(2)
  expect(gateway.gateway.live.totalInFlight).toBe(0)
})

test('a waiting room that is full, or too slow, and no fallback: 503 with Retry-After', async () => {
  const gate = Promise.withResolvers<void>()
  await using own = await openUpstream({ name: 'own', script: () => after(gate.promise, status(200, {})) })
  await using gateway = await openTestGateway({
    deployments: [deployment('own', [own.baseUrl], { maxInFlight: 1, queue: { maxWaiting: 1, maxWaitMs: 50 } })],
    routes: [route('chat', ['dep_own'])],
  })
  const first = gateway.post('/chat/completions', request)
  await until(() => own.requests.length === 1)
  const others = await Promise.all([1, 2].map(() => gateway.post('/chat/completions', request)))
  expect(others.map((answer) => answer.status)).toEqual([503, 503])
  expect(others[0]!.headers.get('retry-after')).toBe('1')
  expect(await others[0]!.json()).toMatchObject({ error: { code: 'no_target_available' } })
  gate.resolve()
  expect((await first).status).toBe(200)
})

test('who waits for a target that loses its weight, or is removed, goes on to the others at once', async () => {
  const gate = Promise.withResolvers<void>()
  await using own = await openUpstream({ name: 'own', script: () => after(gate.promise, status(200, {})) })
  await using other = await openUpstream({ name: 'other' })
  const split = (...targets: readonly (readonly [string, number])[]) => ({
    deployments: [
      deployment('own', [own.baseUrl], { maxInFlight: 1, queue: { maxWaiting: 9, maxWaitMs: 600_000 } }),
      deployment('other', [other.baseUrl]),
    ],
    routes: [route('chat', targets), route('side', ['dep_own'])],
  })
  await using gateway = await openTestGateway(split(['dep_own', 100], ['dep_other', 0]))
  const first = gateway.post('/chat/completions', { ...request, model: 'side' })
  await until(() => own.requests.length === 1)
  // What stands before them in the queue is of another route, and goes on waiting.
  const before = gateway.post('/chat/completions', { ...request, model: 'side' })
  await until(() => gateway.gateway.live.waiting('dep_own') === 1)
  for (const now of [split(['dep_own', 0], ['dep_other', 100]), split(['dep_other', 100])]) {
    gateway.use(split(['dep_own', 100], ['dep_other', 0]))
    const waiting = gateway.post('/chat/completions', request)
    await until(() => gateway.gateway.live.waiting('dep_own') === 2)
    gateway.use(now)
    const next = await gateway.post('/chat/completions', request)
    expect(next.headers.get('x-signalbox-backend')).toBe('other')
    expect((await waiting).headers.get('x-signalbox-backend')).toBe('other')
  }
  gate.resolve()
  expect([(await first).status, (await before).status]).toEqual([200, 200])
  expect(own.requests).toHaveLength(2)
})

test('too many requests at once are turned away at once', async () => {
  const gate = Promise.withResolvers<void>()
  await using own = await openUpstream({ name: 'own', script: () => after(gate.promise, status(200, {})) })
  await using gateway = await openTestGateway(
    { deployments: [deployment('own', [own.baseUrl])], routes: [route('chat', ['dep_own'])] },
    { limits: { maxRequestsInFlight: 2 } },
  )
  const served = [1, 2].map(() => gateway.post('/chat/completions', request))
  await until(() => own.requests.length === 2)
  const refused = await gateway.post('/chat/completions', request)
  expect(refused.status).toBe(503)
  expect(refused.headers.get('retry-after')).toBe('1')
  expect(await refused.json()).toMatchObject({ error: { code: 'overloaded' } })
  gate.resolve()
  expect((await Promise.all(served)).map((answer) => answer.status)).toEqual([200, 200])
})

const patient = { maxWaiting: 30, maxWaitMs: 600_000 }

test('those who wait for what turns out to be ill look for something else at once', async () => {
  await using own = await openUpstream({ script: () => status(500) })
  await using cloud = await openUpstream({ name: 'cloud' })
  await using gateway = await openTestGateway({
    deployments: [deployment('own', [own.baseUrl], { maxInFlight: 1, queue: patient })],
    providers: [provider('cloud', cloud.baseUrl)],
    routes: [route('chat', ['dep_own'], { fallback: ['pmd_cloud'] })],
  })
  const answers = await Promise.all(Array.from({ length: 12 }, () => gateway.post('/chat/completions', request)))
  const triggers = answers.map(({ headers }) => headers.get('x-signalbox-fallback'))
  expect(triggers.filter((trigger) => trigger === 'server_error')).toHaveLength(5)
  expect(triggers.filter((trigger) => trigger === 'unavailable')).toHaveLength(7)
  expect(own.requests).toHaveLength(5)
})

test('those who waited for what is dead do not keep others from trying it', async () => {
  await using own = await openUpstream({ name: 'own', script: () => status(500) })
  await using gateway = await openTestGateway({
    deployments: [deployment('own', [own.baseUrl], { maxInFlight: 1, queue: patient })],
    routes: [route('chat', ['dep_own'])],
  })
  const answers = await Promise.all(Array.from({ length: 12 }, () => gateway.post('/chat/completions', request)))
  expect(answers.every((answer) => answer.status === 500 || answer.status === 503)).toBe(true)
  expect(gateway.gateway.live.healthOf('end_own_0')?.circuit).toBe('OPEN')
  own.setScript(undefined)
  expect((await gateway.post('/chat/completions', request)).status).toBe(200)
})

/** One request at the upstream, until the gate opens, and some that wait for it. */
async function openWithWaiting(waiting: number, maxInFlight = 1) {
  const gate = Promise.withResolvers<void>()
  let atOnce = 0
  const counts: number[] = []
  const own = await openUpstream({
    name: 'own',
    script: () => async (exchange) => {
      counts.push(++atOnce)
      await after(gate.promise, status(200, {}))(exchange)
      atOnce--
    },
  })
  const configured = (most: number, urls = [own.baseUrl]) =>
    deployment('own', urls, { maxInFlight: most, queue: patient })
  const gateway = await openTestGateway({
    deployments: [configured(maxInFlight)],
    routes: [route('chat', ['dep_own'])],
  })
  const ask = () => gateway.post('/chat/completions', request)
  const answers = Array.from({ length: maxInFlight + waiting }, ask)
  await until(() => own.requests.length === maxInFlight && gateway.gateway.live.waiting('dep_own') === waiting)
  const change = (configuration: Parameters<typeof gateway.use>[0]) => {
    gateway.use(configuration)
    gateway.gateway.follow()
  }
  return {
    gate,
    counts,
    own,
    gateway,
    configured,
    answers,
    change,
    ask,
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]()
      await own.close()
    },
  }
}

test('a bound that is lowered counts for those who wait already', async () => {
  await using test = await openWithWaiting(10, 3)
  test.change({ deployments: [test.configured(1)], routes: [route('chat', ['dep_own'])] })
  test.gate.resolve()
  expect((await Promise.all(test.answers)).every((answer) => answer.status === 200)).toBe(true)
  expect(test.counts.slice(3).every((count) => count === 1)).toBe(true)
})

test('a bound that is raised lets those in who wait, and an endpoint that is added serves them', async () => {
  await using test = await openWithWaiting(4)
  test.change({ deployments: [test.configured(3)], routes: [route('chat', ['dep_own'])] })
  await until(() => test.own.requests.length === 3)
  await using other = await openUpstream({ name: 'other' })
  const added = test.configured(3, [test.own.baseUrl, other.baseUrl])
  test.change({ deployments: [added], routes: [route('chat', ['dep_own'])] })
  await until(() => other.requests.length === 2)
  test.gate.resolve()
  expect((await Promise.all(test.answers)).every((answer) => answer.status === 200)).toBe(true)
})

test('those who wait for a deployment that is taken out go where the route leads by now', async () => {
  await using test = await openWithWaiting(3)
  await using next = await openUpstream({ name: 'next' })
  test.change({
    deployments: [{ ...test.configured(1), state: 'DISABLED' }, deployment('next', [next.baseUrl])],
    routes: [route('chat', ['dep_next'], { revision: 8 })],
  })
  await until(() => next.requests.length === 3)
  test.gate.resolve()
  const answers = await Promise.all(test.answers)
  const backends = answers.map(({ headers }) => headers.get('x-signalbox-backend'))
  expect(backends).toEqual(['own', 'next', 'next', 'next'])
  expect(answers.map(({ headers }) => headers.get('x-signalbox-revision'))).toEqual(['7', '8', '8', '8'])
})

test('those who waited in vain are refused like those who come now: their route is off, or their key revoked', async () => {
  await using cloud = await openUpstream({ name: 'cloud' })
  for (const [changed, status, code] of [
    [{ routes: [route('chat', ['dep_own'], { state: 'DISABLED', fallback: ['pmd_cloud'] })] }, 404, 'model_not_found'],
    [{ routes: [] }, 404, 'model_not_found'],
    [{ routes: [route('chat', ['dep_own'], { fallback: ['pmd_cloud'] })], apiKeys: [] }, 401, 'invalid_api_key'],
  ] as const) {
    await using test = await openWithWaiting(2)
    test.change({
      deployments: [{ ...test.configured(1), state: 'DISABLED' }],
      providers: [provider('cloud', cloud.baseUrl)],
      ...changed,
    })
    for (const answer of await Promise.all(test.answers.slice(1))) {
      expect(answer.status).toBe(status)
      expect(await answer.json()).toMatchObject({ error: { code } })
    }
    test.gate.resolve()
    expect((await test.answers[0]!).status).toBe(200)
    await until(() => test.gateway.records.length === 3)
    expect(test.gateway.traffic.filter(({ kind }) => kind === 'ended')).toHaveLength(3)
  }
  expect(cloud.requests).toHaveLength(0)
})

test('while everything is ejected, those who find no room wait for it', async () => {
  await using own = await openUpstream({ name: 'own', script: () => status(503, {}, { 'retry-after': '120' }) })
  await using gateway = await openTestGateway({
    deployments: [deployment('own', [own.baseUrl], { maxInFlight: 1, queue: patient })],
    routes: [route('chat', ['dep_own'])],
  })
  expect((await gateway.post('/chat/completions', request)).status).toBe(503)
  expect(gateway.gateway.live.healthOf('end_own_0')?.circuit).toBe('OPEN')
  own.setScript(undefined)
  const answers = await Promise.all(Array.from({ length: 6 }, () => gateway.post('/chat/completions', request)))
  expect(answers.map((answer) => answer.status)).toEqual([200, 200, 200, 200, 200, 200])
})
