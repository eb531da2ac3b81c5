/** Where a request goes when its first attempt failed: what the pure decision says, done for real. */
import { createServer, request as httpRequest } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { hang, reset, status, stream } from '../../support/replies.ts'
import { openUpstream, refusingBaseUrl } from '../../support/upstream.ts'
import { until } from '../../support/until.ts'
import { deployment, openTestGateway, provider, route } from '../support/open-test-gateway.ts'

const request = { model: 'chat', messages: [] }

test('a deployment that could not be reached is tried once more at another endpoint', async () => {
  await using good = await openUpstream({ name: 'good' })
  await using gateway = await openTestGateway({
    deployments: [deployment('a', [await refusingBaseUrl(), good.baseUrl], { loadBalancing: 'WEIGHTED_ROUND_ROBIN' })],
    routes: [route('chat', ['dep_a'])],
  })
  const answers = await Promise.all([1, 2].map(() => gateway.post('/chat/completions', request)))
  expect(answers.map((answer) => answer.status)).toEqual([200, 200])
  expect(answers.map(({ headers }) => Number(headers.get('x-signalbox-attempts')))).toContain(2)
  expect(answers.some(({ headers }) => headers.has('x-signalbox-fallback'))).toBe(false)
})

test('another target with weight takes over, one with weight 0 never', async () => {
  await using bad = await openUpstream({ script: () => status(500) })
  await using never = await openUpstream()
  await using good = await openUpstream({ name: 'good' })
  await using gateway = await openTestGateway({
    deployments: [
      deployment('bad', [bad.baseUrl]),
      deployment('never', [never.baseUrl]),
      deployment('good', [good.baseUrl]),
    ],
    routes: [
      route('chat', [
        ['dep_bad', 1],
        ['dep_never', 0],
        ['dep_good', 1],
      ]),
    ],
  })
  for (let i = 0; i < 4; i++) expect((await gateway.post('/chat/completions', request)).status).toBe(200)
  expect(never.requests).toHaveLength(0)
  expect(gateway.records.every((record) => record.outcome === 'OK')).toBe(true)
})

test('a refused credential gives way to the next one, and the client never sees it', async () => {
  await using upstream = await openUpstream({ name: 'a', secret: 'good' })
  const credentials = [
    { id: 'crd_bad', secret: 'bad', hint: 'bad' },
    { id: 'crd_good', secret: 'good', hint: 'good' },
  ]
  await using gateway = await openTestGateway({
    providers: [provider('a', upstream.baseUrl, { credentials })],
    routes: [route('chat', ['pmd_a'])],
  })
  for (const attempts of ['2', '1']) {
    const answer = await gateway.post('/chat/completions', request)
    expect(answer.status).toBe(200)
    expect(answer.headers.get('x-signalbox-attempts')).toBe(attempts)
    expect(answer.headers.has('x-signalbox-fallback')).toBe(false)
  }
})

test('the context length moves on only where the route says so', async () => {
  const body = { error: { message: 'too long', code: 'context_length_exceeded' } }
  await using small = await openUpstream({ script: () => status(400, body) })
  await using large = await openUpstream({ name: 'large' })
  const configuration = (triggers?: readonly ['CONTEXT_LENGTH']) => ({
    deployments: [deployment('small', [small.baseUrl]), deployment('large', [large.baseUrl])],
    routes: [route('chat', ['dep_small'], { fallback: ['dep_large'], ...(triggers && { triggers }) })],
  })
  await using gateway = await openTestGateway(configuration())
  expect((await gateway.post('/chat/completions', request)).status).toBe(400)
  gateway.use(configuration(['CONTEXT_LENGTH']))
  const moved = await gateway.post('/chat/completions', request)
  expect(moved.headers.get('x-signalbox-fallback')).toBe('context_length')
})

test('no more than the most attempts are made, and one of them is kept for the fallback', async () => {
  const bad = () => openUpstream({ script: () => status(503) })
  await using a = await bad()
  await using b = await bad()
  await using c = await bad()
  await using spare = await openUpstream({ name: 'spare' })
  await using gateway = await openTestGateway({
    deployments: [deployment('a', [a.baseUrl]), deployment('b', [b.baseUrl]), deployment('c', [c.baseUrl])],
    providers: [provider('spare', spare.baseUrl)],
    routes: [route('chat', ['dep_a', 'dep_b', 'dep_c'], { fallback: ['pmd_spare'], maxAttempts: 2 })],
  })
  const answer = await gateway.post('/chat/completions', request)
  expect(answer.headers.get('x-signalbox-attempts')).toBe('2')
  expect(answer.headers.get('x-signalbox-backend')).toContain('spare')
})

test('all attempts together end at the total time', async () => {
  await using a = await openUpstream(() => hang())
  await using b = await openUpstream(() => hang())
  await using gateway = await openTestGateway({
    deployments: [deployment('a', [a.baseUrl]), deployment('b', [b.baseUrl])],
    routes: [route('chat', ['dep_a'], { fallback: ['dep_b'], timeouts: { answerMs: 100, totalMs: 160 } })],
  })
  const answer = await gateway.post('/chat/completions', request)
  expect(answer.status).toBe(504)
  expect(gateway.records[0]!.durationMs).toBeLessThan(1_000)
  expect(gateway.records[0]!.attempts).toHaveLength(2)
  await Promise.all([a, b].map((upstream) => upstream.requests[0]!.closed))
})

test('a circuit opens after five failures, and everything ejected is still tried if there is nothing else', async () => {
  await using bad = await openUpstream({ script: () => reset() })
  await using gateway = await openTestGateway({
    deployments: [deployment('a', [bad.baseUrl])],
    routes: [route('chat', ['dep_a'])],
  })
  for (let i = 0; i < 7; i++) expect((await gateway.post('/chat/completions', request)).status).toBe(502)
  expect(gateway.gateway.live.healthReport()['end_a_0']).toMatchObject({
    circuit: 'OPEN',
    lastError: expect.any(String),
  })
  expect(bad.requests.length).toBeGreaterThanOrEqual(6)
  bad.setScript(undefined)
  expect((await gateway.post('/chat/completions', request)).status).toBe(200)
})

test('an answer whose client left before its record was written harms nobody', async () => {
  const releases: (() => void)[] = []
  await using upstream = await openUpstream()
  await using gateway = await openTestGateway(
    { deployments: [deployment('a', [upstream.baseUrl])], routes: [route('chat', ['dep_a'])] },
    { append: (_, written) => void releases.push(written) },
  )
  const leave = new AbortController()
  const headers = { authorization: `Bearer ${gateway.key}`, 'content-type': 'application/json' }
  const url = `${gateway.origin}/v1/chat/completions`
  const left = fetch(url, { method: 'POST', headers, body: JSON.stringify(request), signal: leave.signal }).catch(
    (error: Error) => error.name,
  )
  await until(() => releases.length === 1)
  leave.abort()
  expect(await left).toBe('AbortError')
  await until(() => gateway.gateway.inFlight === 0)
  releases[0]!()
  const next = gateway.post('/chat/completions', request)
  await until(() => releases.length === 2)
  releases[1]!()
  expect((await next).status).toBe(200)
  expect(gateway.records).toHaveLength(2)
})

test('a provider is called through its proxy, over a connection that is kept', async () => {
  await using upstream = await openUpstream({ name: 'a' })
  const targets: string[] = []
  const proxy = createServer((incoming, outgoing) => {
    targets.push(incoming.url ?? '')
    const onward = httpRequest(incoming.url!, { method: 'POST', headers: incoming.headers }, (answer) => {
      outgoing.writeHead(answer.statusCode!, answer.headers)
      answer.pipe(outgoing)
    })
    incoming.pipe(onward)
  }).listen(0, '127.0.0.1')
  let connections = 0
  proxy.on('connection', () => connections++)
  await once(proxy, 'listening')
  const proxyUrl = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
  await using gateway = await openTestGateway({
    providers: [provider('a', upstream.baseUrl, { proxyUrl })],
    routes: [route('chat', ['pmd_a'])],
  })
  for (let i = 0; i < 2; i++) {
    const answer = await gateway.post('/chat/completions', request)
    expect(await answer.json()).toMatchObject({ choices: [{ message: { content: 'hello from a' } }] })
  }
  expect(targets).toEqual([1, 2].map(() => `${upstream.baseUrl}/chat/completions`))
  expect(connections).toBe(1)
  proxy.close()
})

test('a stream that says its end without content is no answer, and its upstream need not close it', async () => {
  const role = 'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\n\n'
  const never = Promise.withResolvers<void>().promise
  const beforeEvent = (index: number) => (index === 2 ? never : undefined)
  await using empty = await openUpstream({
    script: () => stream([role, 'data: [DONE]\n\n', ': behind it\n\n'], { beforeEvent }),
  })
  await using good = await openUpstream({ name: 'good' })
  await using gateway = await openTestGateway({
    deployments: [deployment('empty', [empty.baseUrl])],
    providers: [provider('good', good.baseUrl)],
    routes: [route('chat', ['dep_empty'], { fallback: ['pmd_good'] })],
  })
  const answer = await gateway.post('/chat/completions', { ...request, stream: true })
  expect(answer.headers.get('x-signalbox-fallback')).toBe('server_error')
  expect(await answer.text()).toContain('hello')
  await empty.requests[0]!.closed
})

test('a stream that comes compressed in spite of what was asked reaches its client', async () => {
  const bytes = gzipSync('data: {"choices":[{"delta":{"content":"x"}}]}\n\ndata: [DONE]\n\n')
  const headers = { 'content-type': 'text/event-stream', 'content-encoding': 'gzip' }
  await using upstream = await openUpstream({ script: () => status(200, bytes, headers) })
  await using gateway = await openTestGateway({
    deployments: [deployment('a', [upstream.baseUrl])],
    routes: [route('chat', ['dep_a'])],
  })
  const answer = await gateway.post('/chat/completions', { ...request, stream: true })
  expect(await answer.text()).toContain('[DONE]')
})
