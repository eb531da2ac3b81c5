/** Connections that upstream ends while the next request is on its way. */
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { raw } from '../../../support/replies.ts'
import { openUpstream } from '../../../support/upstream.ts'
import { transportOfSuite } from '../../support/suite-transport.ts'
import { deployment, openTestGateway, provider, route, type TestGateway } from '../../support/open-test-gateway.ts'

const body = { model: 'chat', stream: true, messages: [{ role: 'user', content: 'hello' }] }
const plain = { model: 'chat', messages: [{ role: 'user', content: 'hello' }] }

interface DyingServer extends AsyncDisposable {
  readonly origin: string
  readonly server: Server
  /** What came on each connection, in the order in which they were opened. */
  readonly received: readonly Buffer[]
}

const ok = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 14\r\n\r\n{"choices":[]}'

/** `onRequest` is told of each request when all of it has come, with the number of its connection, from 0. */
async function openDying(
  onRequest: (socket: Socket, connection: number, request: number) => void,
): Promise<DyingServer> {
  const received: Buffer[] = []
  const sockets: Socket[] = []
  const server = createServer((socket) => {
    const connection = sockets.push(socket) - 1
    received.push(Buffer.alloc(0))
    let request = 0
    let at = 0
    socket.on('error', () => {})
    socket.on('data', (bytes: Buffer) => {
      received[connection] = Buffer.concat([received[connection]!, bytes])
      const text = received[connection].toString('latin1', at)
      const length = Number(/content-length: (\d+)/.exec(text)?.[1] ?? NaN)
      const end = text.indexOf('\r\n\r\n') + 4 + length
      if (!(text.length >= end)) return
      at += end
      onRequest(socket, connection, request++)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    server,
    received,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      if (!server.listening) return
      server.close()
      await once(server, 'close')
    },
  }
}

function openGatewayTo(baseUrl: string): Promise<TestGateway> {
  return openTestGateway({ providers: [provider('p', baseUrl)], routes: [route('chat', ['pmd_p'])] })
}

const deaths: readonly (readonly [string, (socket: Socket) => void])[] = [
  ['closes it', (socket) => socket.end()],
  ['resets it', (socket) => socket.resetAndDestroy()],
]

test.each(deaths)('a request meets a used connection whose upstream %s: it is sent once more', async (_, die) => {
  await using upstream = await openDying((socket, connection, request) => {
    if (connection === 0 && request === 1) die(socket)
    else socket.write(ok)
  })
  await using gateway = await openGatewayTo(`${upstream.origin}/v1`)
  for (let i = 0; i < 2; i++) {
    const response = await gateway.post('/chat/completions', plain)
    expect(response.status).toBe(200)
    expect(response.headers.get('x-signalbox-attempts')).toBe('1')
    await response.text()
  }
  expect(upstream.received).toHaveLength(2)
  expect(gateway.records.map(({ outcome, attempts }) => [outcome, attempts.length])).toEqual([
    ['OK', 1],
    ['OK', 1],
  ])
})

test('a new connection that ends without an answer is a failure, and so is what is sent once more in vain', async () => {
  await using upstream = await openDying((socket, connection, request) => {
    if (connection === 0 && request === 0) socket.write(ok)
    else socket.resetAndDestroy()
  })
  await using gateway = await openGatewayTo(`${upstream.origin}/v1`)
  expect((await gateway.post('/chat/completions', plain)).status).toBe(200)
  expect((await gateway.post('/chat/completions', plain)).status).toBe(502)
  expect(upstream.received).toHaveLength(2)
  expect((await gateway.post('/chat/completions', plain)).status).toBe(502)
  expect(upstream.received).toHaveLength(3)
})

test('what ends behind the first byte of an answer is not sent once more', async () => {
  await using upstream = await openDying((socket, _, request) => {
    if (request === 0) socket.write(ok)
    else socket.end('H')
  })
  await using gateway = await openGatewayTo(`${upstream.origin}/v1`)
  expect((await gateway.post('/chat/completions', plain)).status).toBe(200)
  expect((await gateway.post('/chat/completions', plain)).status).toBe(502)
  expect(upstream.received).toHaveLength(1)
})

test('an upload that was read from disk arrives as it is, though its used connection died under it', async () => {
  await using upstream = await openDying((socket, connection, request) => {
    if (connection === 0 && request === 1) socket.resetAndDestroy()
    else socket.write(ok)
  })
  await using gateway = await openGatewayTo(`${upstream.origin}/v1`)
  const file = Buffer.alloc(3 * 1024 * 1024, 'abcdefg')
  const boundary = 'a-boundary'
  const form = Buffer.concat([
    Buffer.from(`--${boundary}\r\ncontent-disposition: form-data; name="model"\r\n\r\nchat\r\n`),
    Buffer.from(`--${boundary}\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\n\r\n`),
    file,
    Buffer.from(`\r\n--${boundary}--\r\n`),
  ])
  const type = { 'content-type': `multipart/form-data; boundary=${boundary}` }
  for (let i = 0; i < 2; i++) {
    const response = await gateway.post('/audio/transcriptions', form, type)
    expect(response.status).toBe(200)
    expect(response.headers.get('x-signalbox-attempts')).toBe('1')
    await response.text()
  }
  expect(upstream.received).toHaveLength(2)
  expect(upstream.received[1]!.includes(file)).toBe(true)
})

test('if upstream is gone altogether, what is sent once more fails as a connection that is refused', async () => {
  await using upstream = await openDying((socket, _, request) => {
    if (request === 0) return void socket.write(ok)
    upstream.server.close()
    socket.resetAndDestroy()
  })
  await using gateway = await openGatewayTo(`${upstream.origin}/v1`)
  expect((await gateway.post('/chat/completions', plain)).status).toBe(200)
  expect((await gateway.post('/chat/completions', plain)).status).toBe(502)
  expect(gateway.records[1]).toMatchObject({ outcome: 'UPSTREAM_ERROR', attempts: [{ status: null }] })
})

test('all of 50 requests that wait behind each other are served by an upstream that ends each answer with its connection', async () => {
  await using upstream = await openUpstream({ endsConnections: true })
  await using gateway = await openTestGateway({
    deployments: [
      deployment('d', [upstream.baseUrl], { maxInFlight: 1, queue: { maxWaiting: 100, maxWaitMs: 20_000 } }),
    ],
    routes: [route('chat', ['dep_d'])],
  })
  const answers = await Promise.all(
    Array.from({ length: 50 }, async (_, i) => {
      const response = await gateway.post('/chat/completions', i % 2 === 0 ? body : plain)
      await response.text()
      return response.status
    }),
  )
  expect(answers).toEqual(Array.from({ length: 50 }, () => 200))
  expect(gateway.records.every(({ outcome, attempts }) => outcome === 'OK' && attempts.length === 1)).toBe(true)
  expect(upstream.inferences).toHaveLength(50)
})

test('a request that waits is sent on the connection of the answer before it, where upstream keeps that', async () => {
  await using upstream = await openUpstream()
  await using gateway = await openTestGateway({
    deployments: [
      deployment('d', [upstream.baseUrl], { maxInFlight: 1, queue: { maxWaiting: 100, maxWaitMs: 20_000 } }),
    ],
    routes: [route('chat', ['dep_d'])],
  })
  await Promise.all(Array.from({ length: 20 }, async () => (await gateway.post('/chat/completions', plain)).text()))
  // Undici opens a second one while the first is not free, and takes turns.
  const most = transportOfSuite() === 'own' ? 1 : 2
  expect(new Set(upstream.inferences.map(({ connection }) => connection)).size).toBeLessThanOrEqual(most)
})

test('bytes that stand behind an answer cost its connection, not the request that waits for it', async () => {
  await using upstream = await openUpstream((request) =>
    request.index % 2 === 0 ? raw(`${ok}HTTP/1.1 500 Oops\r\n`, 'open') : undefined,
  )
  await using gateway = await openTestGateway({
    deployments: [
      deployment('d', [upstream.baseUrl], { maxInFlight: 1, queue: { maxWaiting: 100, maxWaitMs: 20_000 } }),
    ],
    routes: [route('chat', ['dep_d'])],
  })
  const answers = await Promise.all(
    Array.from({ length: 10 }, async () => (await gateway.post('/chat/completions', plain)).status),
  )
  expect(answers).toEqual(Array.from({ length: 10 }, () => 200))
})
