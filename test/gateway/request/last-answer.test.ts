/** What a client gets when everything failed: the last answer as it came, and never what speaks of the gateway's own credential. */
import { connect } from 'node:net'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { raw, status } from '../../support/replies.ts'
import type { Reply } from '../../support/exchange.ts'
import { openUpstream } from '../../support/upstream.ts'
import { until } from '../../support/until.ts'
import { deployment, openTestGateway, route, testKey } from '../support/open-test-gateway.ts'

const request = { model: 'chat', messages: [] }
const long = JSON.stringify({ error: { message: 'x'.repeat(600_000), code: 'overloaded' } })

/** An error whose body is far longer than what is held back to decide, in pieces. */
function longError(): Reply {
  return ({ response }) => {
    response.writeHead(500, { 'content-type': 'application/json', 'content-length': String(long.length) })
    response.write(long.slice(0, 400_000))
    response.end(long.slice(400_000))
  }
}

/** An error whose body comes when `released`. */
function slowError(released: Promise<unknown>): Reply {
  return async ({ response }) => {
    response.writeHead(500, { 'content-type': 'application/json' })
    response.write('{"error":')
    await released
    response.end('{"message":"at last"}}')
  }
}

test('an error too long to be held back reaches the client whole', async () => {
  await using upstream = await openUpstream({ script: longError })
  await using gateway = await openTestGateway({
    deployments: [deployment('a', [upstream.baseUrl])],
    routes: [route('chat', ['dep_a'])],
  })
  const answer = await gateway.post('/chat/completions', request)
  expect(answer.status).toBe(500)
  expect(await answer.text()).toBe(long)
  expect(answer.headers.get('x-signalbox-backend')).toBe('a')
  expect(gateway.records).toMatchObject([{ outcome: 'UPSTREAM_ERROR', status: 500, tokens: null }])
})

test('an error too slow to be waited for reaches the client as it comes, if nothing else is tried', async () => {
  const released = Promise.withResolvers<void>()
  await using upstream = await openUpstream({ script: () => slowError(released.promise) })
  await using gateway = await openTestGateway({
    deployments: [deployment('a', [upstream.baseUrl])],
    routes: [route('chat', ['dep_a'])],
  })
  const answer = await gateway.post('/chat/completions', request)
  expect(answer.status).toBe(500)
  released.resolve()
  expect(await answer.json()).toEqual({ error: { message: 'at last' } })
  expect(gateway.records).toMatchObject([{ outcome: 'UPSTREAM_ERROR', attempts: [{ status: 500, trigger: null }] }])
})

test('an error too slow to be waited for is left when there is something else to try', async () => {
  await using slow = await openUpstream({ script: () => slowError(new Promise(() => {})) })
  await using good = await openUpstream({ name: 'good' })
  await using gateway = await openTestGateway({
    deployments: [deployment('slow', [slow.baseUrl], { maxInFlight: 1 }), deployment('good', [good.baseUrl])],
    routes: [route('chat', ['dep_slow'], { fallback: ['dep_good'] })],
  })
  const answer = await gateway.post('/chat/completions', request)
  expect(answer.headers.get('x-signalbox-fallback')).toBe('server_error')
  await slow.requests[0]!.closed
  await until(() => gateway.gateway.live.totalInFlight === 0)
})

test('a 401 of the first backend is not what the client gets for the second one that failed slowly', async () => {
  await using refusing = await openUpstream({ script: () => status(401) })
  await using failing = await openUpstream({ script: longError })
  await using gateway = await openTestGateway({
    deployments: [deployment('refusing', [refusing.baseUrl]), deployment('failing', [failing.baseUrl])],
    routes: [route('chat', ['dep_refusing'], { fallback: ['dep_failing'] })],
  })
  const answer = await gateway.post('/chat/completions', request)
  expect(answer.status).toBe(500)
  expect(await answer.text()).toBe(long)
  expect(answer.headers.get('x-signalbox-fallback')).toBe('upstream_auth')
})

test('an endpoint is free again when its upstream broke off, and the client has read nothing for too long', async () => {
  const body = 'x'.repeat(8 * 1024 * 1024)
  const head = `HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: ${body.length + 1}\r\n\r\n`
  await using upstream = await openUpstream({ script: () => raw([head, body], 'reset') })
  await using gateway = await openTestGateway(
    {
      deployments: [deployment('a', [upstream.baseUrl], { maxInFlight: 1 })],
      routes: [route('chat', ['dep_a'])],
    },
    { limits: { untakenMs: 500 } },
  )
  const socket = connect(gateway.port, '127.0.0.1')
  await once(socket, 'connect')
  socket.pause()
  const text = JSON.stringify(request)
  socket.write(
    `POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${testKey}\r\ncontent-type: application/json\r\ncontent-length: ${text.length}\r\n\r\n${text}`,
  )
  await until(() => upstream.requests.length === 1)
  await until(() => gateway.gateway.live.totalInFlight === 0)
  upstream.setScript(undefined)
  expect((await gateway.post('/chat/completions', request)).status).toBe(200)
  socket.destroy()
})

test('five answers in a row that break off open the circuit, though each of them had begun well', async () => {
  const head = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"choices":[{"half":'
  await using upstream = await openUpstream({ script: () => raw(head) })
  await using gateway = await openTestGateway({
    deployments: [deployment('a', [upstream.baseUrl])],
    routes: [route('chat', ['dep_a'])],
  })
  for (let i = 0; i < 5; i++) {
    const failure = gateway.post('/chat/completions', request).then((answer) => answer.text())
    await expect(failure).rejects.toThrow('terminated')
  }
  await until(() => gateway.records.length === 5)
  expect(gateway.gateway.live.healthOf('end_a_0')).toMatchObject({ circuit: 'OPEN', consecutiveFailures: 5 })
})

test('a request whose time was over before it could be sent is no failure of its upstream', async () => {
  await using upstream = await openUpstream()
  await using gateway = await openTestGateway({
    deployments: [deployment('a', [upstream.baseUrl])],
    routes: [route('chat', ['dep_a'], { timeouts: { totalMs: 50 } })],
  })
  const text = JSON.stringify(request)
  const head = `POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${testKey}\r\ncontent-type: application/json\r\ncontent-length: ${text.length}\r\nconnection: close\r\n\r\n`
  for (let i = 0; i < 6; i++) {
    const socket = connect(gateway.port, '127.0.0.1')
    let answer = ''
    socket.on('data', (chunk) => (answer += chunk.toString('latin1')))
    const closed = once(socket, 'close')
    const startedAtMs = performance.now()
    socket.write(head)
    await until(() => performance.now() - startedAtMs > 80)
    socket.write(text)
    await closed
    expect(answer).toMatch(/^HTTP\/1.1 504 [^]*upstream_timeout/)
  }
  expect(upstream.requests).toHaveLength(0)
  expect((await gateway.post('/chat/completions', request)).status).toBe(200)
})

test('a plain answer may take longer than the first byte, once its head has come in time', async () => {
  await using upstream = await openUpstream({
    script:
      () =>
      async ({ response }) => {
        response.writeHead(200, { 'content-type': 'application/json' })
        response.flushHeaders()
        const startedAtMs = performance.now()
        await until(() => performance.now() - startedAtMs > 400)
        response.end('{}')
      },
  })
  await using gateway = await openTestGateway({
    deployments: [deployment('a', [upstream.baseUrl])],
    routes: [route('chat', ['dep_a'], { timeouts: { firstByteMs: 200 } })],
  })
  expect((await gateway.post('/chat/completions', request)).status).toBe(200)
})
