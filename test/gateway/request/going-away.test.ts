import { type AddressInfo, connect, createServer } from 'node:net'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { after, hang, stream } from '../../support/replies.ts'
import { openUpstream, type Upstream } from '../../support/upstream.ts'
import { until } from '../../support/until.ts'
import {
  deployment,
  openTestGateway,
  route,
  testKey,
  type TestGateway,
  type TestGatewayOptions,
} from '../support/open-test-gateway.ts'

async function open(upstream: Upstream, options: TestGatewayOptions = {}, maxInFlight?: number): Promise<TestGateway> {
  const settings = maxInFlight ? { maxInFlight, queue: { maxWaiting: 5, maxWaitMs: 10_000 } } : {}
  return await openTestGateway(
    { deployments: [deployment('a', [upstream.baseUrl], settings)], routes: [route('chat', ['dep_a'])] },
    options,
  )
}

function post(gateway: TestGateway, body: object, signal: AbortSignal): Promise<Response> {
  return fetch(`${gateway.origin}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${testKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'chat', messages: [], ...body }),
    signal,
  })
}

const content = { choices: [{ delta: { content: 'x' } }] }

test('a client that leaves before headers closes its upstream', async () => {
  await using upstream = await openUpstream(() => hang())
  await using gateway = await open(upstream)
  const leave = new AbortController()
  const answer = post(gateway, {}, leave.signal).catch((error: Error) => error.name)
  const request = await until(() => upstream.requests[0])
  const leftAtMs = performance.now()
  leave.abort()
  expect(await answer).toBe('AbortError')
  await request.closed
  expect(request.closedAtMs! - leftAtMs).toBeLessThan(200)
  await until(() => gateway.gateway.live.totalInFlight === 0 && gateway.gateway.inFlight === 0)
  expect(gateway.records).toMatchObject([
    { outcome: 'CANCELLED', status: 499, attempts: [{ status: null, trigger: null }] },
  ])
})

test('a client that leaves between events closes its upstream, and nothing is tried again', async () => {
  const never = Promise.withResolvers<void>()
  await using upstream = await openUpstream(() =>
    stream([content, content], { beforeEvent: (index) => (index === 1 ? never.promise : undefined) }),
  )
  await using gateway = await open(upstream)
  const leave = new AbortController()
  const answer = await post(gateway, { stream: true }, leave.signal)
  leave.abort()
  await upstream.requests[0]!.closed
  await expect(answer.text()).rejects.toThrow('aborted')
  await until(() => gateway.gateway.live.totalInFlight === 0)
  expect(upstream.requests).toHaveLength(1)
  expect(gateway.records).toMatchObject([{ outcome: 'CANCELLED', status: 200, stream: true }])
})

test('a client that leaves while its connection to upstream is opened costs upstream nothing', async () => {
  // It accepts connections, and never says its part of a TLS handshake.
  let openings = 0
  const silent = createServer(() => openings++).listen(0, '127.0.0.1')
  await once(silent, 'listening')
  const { port } = silent.address() as AddressInfo
  await using gateway = await openTestGateway({
    deployments: [deployment('a', [`https://127.0.0.1:${port}/v1`])],
    routes: [route('chat', ['dep_a'])],
  })
  const leave = new AbortController()
  const answer = post(gateway, {}, leave.signal).catch((error: Error) => error.name)
  await until(() => openings === 1)
  leave.abort()
  expect(await answer).toBe('AbortError')
  await until(() => gateway.gateway.inFlight === 0 && gateway.gateway.live.totalInFlight === 0)
  expect(gateway.records).toMatchObject([{ outcome: 'CANCELLED' }])
  silent.close()
})

test('a client that leaves the waiting room gives up its place', async () => {
  const gate = Promise.withResolvers<void>()
  await using upstream = await openUpstream(() => after(gate.promise, stream([content, 'data: [DONE]\n\n'])))
  await using gateway = await open(upstream, {}, 1)
  const first = post(gateway, { stream: true }, new AbortController().signal)
  await until(() => upstream.requests.length === 1)
  const leave = new AbortController()
  const second = post(gateway, {}, leave.signal).catch((error: Error) => error.name)
  await until(() => gateway.gateway.live.waiting('dep_a') === 1)
  leave.abort()
  expect(await second).toBe('AbortError')
  await until(() => gateway.gateway.live.waiting('dep_a') === 0)
  gate.resolve()
  await (await first).text()
  await until(() => gateway.records.length === 2)
  expect(upstream.requests).toHaveLength(1)
  expect(gateway.records[0]).toMatchObject({ outcome: 'CANCELLED', attempts: [] })
})

test('a client that leaves in the middle of its body leaves a record', async () => {
  await using upstream = await openUpstream()
  await using gateway = await open(upstream)
  const socket = connect(gateway.port, '127.0.0.1')
  await once(socket, 'connect')
  socket.write(`POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${testKey}\r\n`)
  socket.write('content-type: application/json\r\ncontent-length: 100\r\n\r\n{"model"')
  await until(() => gateway.gateway.inFlight === 1)
  socket.destroy()
  await until(() => gateway.records.length === 1)
  expect(gateway.records).toMatchObject([{ outcome: 'CANCELLED', routeId: null }])
  expect(gateway.gateway.inFlight).toBe(0)
})

test('draining lets streams run to their end, closes connections with their next answer, and is not ready', async () => {
  const gate = Promise.withResolvers<void>()
  await using upstream = await openUpstream((request) =>
    request.json()['stream']
      ? stream([content, 'data: [DONE]\n\n'], { beforeEvent: (index) => (index === 1 ? gate.promise : undefined) })
      : undefined,
  )
  await using gateway = await open(upstream)
  const streaming = await post(gateway, { stream: true }, new AbortController().signal)
  const idle = connect(gateway.port, '127.0.0.1')
  await once(idle, 'connect')
  const drained = gateway.gateway.drain()
  await expect(fetch(`${gateway.origin}/healthz`)).rejects.toThrow('fetch failed')
  let text = ''
  idle.on('data', (chunk) => (text += chunk.toString()))
  idle.write(
    `GET /readyz HTTP/1.1\r\nhost: a\r\n\r\nGET /v1/models HTTP/1.1\r\nhost: a\r\nx-api-key: ${testKey}\r\n\r\n`,
  )
  await until(() => text.includes('"list"'))
  expect(text).toMatch(/^HTTP\/1.1 503 [^]*connection: close/i)
  gate.resolve()
  expect(await streaming.text()).toContain('[DONE]')
  await drained
  expect(gateway.records.map((record) => record.outcome)).toContain('OK')
})

test('a stream that outlasts the drain timeout ends with an error event', async () => {
  const never = Promise.withResolvers<void>()
  await using upstream = await openUpstream((request) =>
    request.json()['stream']
      ? stream([content, content], { beforeEvent: (index) => (index === 1 ? never.promise : undefined) })
      : hang(),
  )
  await using gateway = await open(upstream, { drainTimeoutMs: 50 })
  const answer = await post(gateway, { stream: true }, new AbortController().signal)
  const hanging = post(gateway, {}, new AbortController().signal).catch((error: unknown) => error)
  await until(() => gateway.gateway.inFlight === 2)
  await gateway.gateway.drain()
  const text = await answer.text()
  expect(text).toMatch(/event: error\ndata: .*"shutting_down".*\n\n$/)
  const refused = (await hanging) as Response
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1'])
  expect(gateway.records.map((record) => record.outcome).sort()).toEqual(['GATEWAY_ERROR', 'TRUNCATED'])
})
