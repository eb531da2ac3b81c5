/** What callers without a key can take: nothing where no route is public, and a small share where one is. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { RouteConfiguration } from '../../../src/routing/config/configuration.ts'
import { until } from '../../support/until.ts'
import { openUpstream, type Upstream } from '../../support/upstream.ts'
import {
  deployment,
  openTestGateway,
  route,
  type TestGateway,
  type TestGatewayOptions,
  testKey,
} from '../support/open-test-gateway.ts'

const megabyte = 1024 * 1024
const open = { access: { policy: 'PUBLIC', userIds: [], apiKeyIds: [] } } as const

let opened: AsyncDisposableStack
let upstream: Upstream
let gateway: TestGateway

beforeEach(async () => {
  opened = new AsyncDisposableStack()
  upstream = opened.use(await openUpstream())
})

afterEach(() => opened.disposeAsync())

async function openGateway(routes: readonly RouteConfiguration[], options: TestGatewayOptions = {}): Promise<void> {
  const configuration = { deployments: [deployment('a', [upstream.baseUrl])], routes: [...routes] }
  gateway = opened.use(await openTestGateway(configuration, { maxRequestBytes: 64 * megabyte, ...options }))
}

interface Client {
  readonly socket: Socket
  answer: string
  isClosed: boolean
}

function send(lines: readonly string[], body: Buffer | string = '', path = '/v1/chat/completions'): Client {
  const socket = connect({ port: gateway.port, host: '127.0.0.1', allowHalfOpen: true })
  const client: Client = { socket, answer: '', isClosed: false }
  opened.defer(() => void socket.destroy())
  socket.on('error', () => {})
  socket.on('close', () => (client.isClosed = true))
  socket.on('data', (bytes) => (client.answer += bytes.toString('latin1')))
  socket.write([`POST ${path} HTTP/1.1`, 'host: a', ...lines, '', ''].join('\r\n'))
  socket.write(body)
  return client
}

const json = 'content-type: application/json'
const form = 'content-type: multipart/form-data; boundary=XX'
const known = `authorization: Bearer ${testKey}`
const opening = '{"model":"open","x":"'
const fileBytes = 1_900_000
const formEnd = '\r\n--XX\r\ncontent-disposition: form-data; name="model"\r\n\r\nclosed\r\n--XX--\r\n'
const formOpening = '--XX\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n'

/** Of what is still reachable. */
function usedBytes(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

async function expectService(): Promise<void> {
  const answer = await gateway.post('/chat/completions', { model: 'closed', messages: [] })
  expect(answer.status).toBe(200)
}

test.each([
  ['no key', []],
  ['a key that nobody made', ['authorization: Bearer sbx_nobody000_has_made_this']],
  ['a dummy key', ['authorization: Bearer EMPTY']],
])('where no route is public, %s is 401 before any of the body is read', async (_, lines) => {
  await openGateway([route('closed', ['dep_a'])])
  const client = send([...lines, json, `content-length: ${60 * megabyte}`])
  await until(() => client.answer.includes('invalid_api_key'))
  expect(client.answer).toMatch(/^HTTP\/1\.1 401 [^]*\r\nconnection: close\r\n/)
  const invited = send([...lines, json, 'expect: 100-continue', 'content-length: 100'])
  await until(() => invited.answer.includes('invalid_api_key'))
  expect(invited.answer).not.toContain('100 Continue')
  const models = await fetch(`${gateway.origin}/v1/models`)
  expect(models.status).toBe(401)
})

test('what is 401 at the head changes with the configuration', async () => {
  await openGateway([route('closed', ['dep_a'])])
  const headers = { 'content-type': 'application/json' }
  const ask = () =>
    fetch(`${gateway.origin}/v1/chat/completions`, { method: 'POST', headers, body: '{"model":"open"}' })
  expect((await ask()).status).toBe(401)
  const deployments = [deployment('a', [upstream.baseUrl])]
  gateway.use({ deployments, routes: [route('open', ['dep_a'], open)] })
  expect((await ask()).status).toBe(200)
  gateway.use({ deployments, routes: [route('open', ['dep_a'], { ...open, state: 'DISABLED' })] })
  expect((await ask()).status).toBe(401)
})

test('strangers that go on sending behind their 401 take no memory, and nobody notices', async () => {
  await openGateway([route('closed', ['dep_a'])])
  const piece = Buffer.alloc(megabyte, 'x')
  const clients = Array.from({ length: 17 }, () => send([json, `content-length: ${64 * megabyte}`], opening))
  await until(() => clients.every(({ answer }) => answer.includes(' 401 ')))
  const beforeBytes = process.memoryUsage().arrayBuffers
  for (let i = 0; i < 3; i++) {
    for (const { socket } of clients) if (!socket.destroyed) socket.write(piece)
    await expectService()
  }
  await until(() => clients.every(({ socket }) => socket.destroyed || socket.writableLength === 0))
  expect(process.memoryUsage().arrayBuffers - beforeBytes).toBeLessThan(64 * megabyte)
  await expectService()
})

const few = { limits: { maxHeldBytes: 32 * megabyte, maxSpooledBytes: 64 * megabyte } }

test('where a route is public, strangers share a 32nd of the memory, and good keys have the rest', async () => {
  await openGateway([route('closed', ['dep_a']), route('open', ['dep_a'], open)], few)
  const half = Buffer.alloc(600_000, 'x')
  const first = send(
    [json, 'transfer-encoding: chunked'],
    `${(opening.length + half.length).toString(16)}\r\n${opening}`,
  )
  first.socket.write(half)
  await until(() => gateway.gateway.inFlight === 1)
  const second = send(
    [json, 'transfer-encoding: chunked'],
    `${(opening.length + half.length).toString(16)}\r\n${opening}`,
  )
  second.socket.write(half)
  await until(() => [first, second].some(({ answer }) => answer.includes('"overloaded"')))
  const refused = [first, second].find(({ answer }) => answer.length > 0)!
  expect(refused.answer).toMatch(/^HTTP\/1\.1 503 [^]*\r\nretry-after: 1\r\n/)
  const announced = send([json, `content-length: ${2 * megabyte}`])
  await until(() => announced.answer.includes('"request_too_large"'))
  const large = await gateway.post('/chat/completions', `{"model":"closed","x":"${'x'.repeat(8 * megabyte)}"}`)
  expect(large.status).toBe(200)
})

test('strangers share a 32nd of the disk for uploads as well', async () => {
  await openGateway([route('closed', ['dep_a']), route('open', ['dep_a'], open)], few)
  const upload = (lines: readonly string[]) =>
    send(
      [...lines, form, 'transfer-encoding: chunked'],
      Buffer.concat([
        Buffer.from(`${(formOpening.length + fileBytes).toString(16)}\r\n${formOpening}`),
        Buffer.alloc(fileBytes, 'x'),
      ]),
      '/v1/audio/transcriptions',
    )
  const strangers = [upload([]), upload([])]
  await until(() => strangers.some(({ answer }) => answer.includes('"overloaded"')))
  const good = upload([known])
  await until(() => good.socket.writableLength === 0)
  good.socket.write(`\r\n${formEnd.length.toString(16)}\r\n${formEnd}\r\n0\r\n\r\n`)
  await until(() => good.answer.includes('HTTP/1.1 200'))
})

test('what a stranger held is given back when it is refused, and when it leaves', async () => {
  await openGateway([route('closed', ['dep_a']), route('open', ['dep_a'], open)], few)
  for (let i = 0; i < 4; i++) {
    const client = send([json, 'content-length: 900000'], opening + 'x'.repeat(800_000))
    await until(() => gateway.gateway.inFlight === 1)
    client.socket.destroy()
    await until(() => gateway.gateway.inFlight === 0)
  }
  const body = `{"model":"open","x":"${'x'.repeat(800_000)}"}`
  const headers = { 'content-type': 'application/json' }
  const answer = await fetch(`${gateway.origin}/v1/chat/completions`, { method: 'POST', headers, body })
  expect(answer.status).toBe(200)
})

test('a body in a million pieces of a byte takes no more than a small multiple of its size', async () => {
  await openGateway([route('closed', ['dep_a'])])
  const count = 1_000_000
  const start = '{"model":"closed","x":"'
  const client = send([known, json, 'transfer-encoding: chunked'], `${start.length.toString(16)}\r\n${start}\r\n`)
  const before = usedBytes()
  const pieces = Buffer.from('1\r\nx\r\n'.repeat(10_000))
  for (let i = 0; i < count / 10_000; i++) client.socket.write(pieces)
  await until(() => client.socket.writableLength === 0)
  expect(usedBytes() - before).toBeLessThan(40 * megabyte)
  client.socket.write('2\r\n"}\r\n0\r\n\r\n')
  await until(() => client.answer.includes('HTTP/1.1 200'))
  expect(upstream.inferences[0]!.body.length).toBeGreaterThan(count)
})

const quick = { silenceMs: 60_000, windowMs: 2_000, windowBytes: 8_192, longestMs: 60_000 }

test.each([
  ['a byte now and then', quick],
  ['a body that does not end', { ...quick, windowBytes: 0, longestMs: 2_000 }],
])('%s does not hold a request for ever', async (_, bodyPace) => {
  await openGateway([route('closed', ['dep_a'])], { limits: { bodyPace } })
  const client = send([known, json, 'content-length: 100000'], opening)
  const timer = setInterval(() => client.socket.write('x'), 100)
  opened.defer(() => clearInterval(timer))
  await until(() => client.answer.includes('"request_timeout"'))
  expect(client.answer).toMatch(/^HTTP\/1\.1 408 [^]*connection: close/)
})

test('a slow uploader with a wrong key finds its 401, and no broken pipe', async () => {
  await openGateway([route('closed', ['dep_a'])])
  const client = send(['authorization: Bearer sbx_wrong', json, `content-length: ${4 * megabyte}`])
  const errors: unknown[] = []
  client.socket.on('error', (error) => errors.push(error))
  const ended = once(client.socket, 'end')
  // Half closed, and not yet closed.
  await ended
  for (let i = 0; i < 16; i++) {
    await new Promise<void>((resolve, reject) =>
      client.socket.write(Buffer.alloc(256 * 1024), (error) => (error ? reject(error) : resolve())),
    )
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  client.socket.end()
  await until(() => client.isClosed)
  expect(errors).toEqual([])
  expect(client.answer).toMatch(/^HTTP\/1\.1 401 [^]*"invalid_api_key"/)
})
