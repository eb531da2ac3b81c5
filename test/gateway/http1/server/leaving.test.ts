/** Clients that go away in the middle, with bytes behind them that nobody has read. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { hang } from '../../../support/replies.ts'
import { until } from '../../../support/until.ts'
import { openUpstream, type Upstream } from '../../../support/upstream.ts'
import { deployment, openTestGateway, route, type TestGateway, testKey } from '../../support/open-test-gateway.ts'

let opened: AsyncDisposableStack
let upstream: Upstream
let gateway: TestGateway

beforeEach(async () => {
  opened = new AsyncDisposableStack()
  upstream = opened.use(await openUpstream())
  gateway = opened.use(
    await openTestGateway({ deployments: [deployment('a', [upstream.baseUrl])], routes: [route('chat', ['dep_a'])] }),
  )
})

afterEach(() => opened.disposeAsync())

function post(body: string): string {
  return (
    `POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${testKey}\r\n` +
    `content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`
  )
}

async function openClient(): Promise<Socket> {
  const socket = connect(gateway.port, '127.0.0.1')
  opened.defer(() => void socket.destroy())
  socket.on('error', () => {})
  await once(socket, 'connect')
  return socket
}

const small = '{"model":"chat","messages":[]}'

test.each([
  ['64 KiB in one request', 64 * 1024, 'destroy'],
  ['64 KiB, in order', 64 * 1024, 'end'],
  ['200 KB', 200_000, 'destroy'],
  ['a megabyte', 1_000_000, 'end'],
] as const)('a client that leaves behind %s of pipelined bytes is noticed', async (_, bytes, how) => {
  upstream.answerNext(hang())
  const socket = await openClient()
  socket.write(post(small))
  await until(() => upstream.requests.length === 1)
  socket.write(post(`{"model":"chat","x":"${'x'.repeat(bytes)}"}`))
  await until(() => socket.writableLength === 0)
  socket[how]()
  await upstream.requests[0]!.closed
  await until(() => gateway.records.length === 1)
  expect(gateway.records[0]).toMatchObject({ outcome: 'CANCELLED', status: 499 })
  expect(upstream.requests).toHaveLength(1)
})

test('requests that wait behind a slow answer are answered after it, as many as may wait', async () => {
  const first = Promise.withResolvers<void>()
  upstream.answerNext(async ({ response }) => {
    await first.promise
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
  })
  const socket = await openClient()
  let answer = ''
  socket.on('data', (chunk) => (answer += chunk.toString('latin1')))
  const many = Math.floor((250 * 1024) / post(small).length)
  socket.write(post(small).repeat(many))
  await until(() => upstream.requests.length === 1)
  await until(() => socket.writableLength === 0)
  first.resolve()
  await until(() => answer.match(/HTTP\/1\.1 200 /g)?.length === many, { timeoutMs: 60_000 })
})

test('who sends more than may wait has its first answer, whole, and then no connection', async () => {
  const first = Promise.withResolvers<void>()
  upstream.answerNext(async ({ response }) => {
    await first.promise
    response.writeHead(200, { 'content-type': 'application/json' }).end('{"whole":true}')
  })
  const socket = await openClient()
  let answer = ''
  socket.on('data', (chunk) => (answer += chunk.toString('latin1')))
  socket.write(post(small))
  // More than the system's buffers hold: it is all gone only if the gateway has read it over.
  socket.write('GET /v1/models HTTP/1.1\r\nhost: a\r\n\r\n'.repeat(600_000))
  await until(() => upstream.requests.length === 1)
  await until(() => socket.writableLength === 0, { timeoutMs: 25_000 })
  first.resolve()
  await once(socket, 'close')
  expect(answer).toMatch(/^HTTP\/1\.1 200 [^]*\r\nconnection: close\r\n[^]*\{"whole":true\}$/)
})
