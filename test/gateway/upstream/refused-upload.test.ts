/** Upstreams that answer in the middle of an upload and close, so that the next part of it meets a closed connection. */
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { Readable } from 'node:stream'
import { createServer as createTlsServer, getCACertificates, setDefaultCACertificates } from 'node:tls'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { UpstreamConnections } from '../../../src/gateway/upstream/connections.ts'
import type { CallRequest, UpstreamTransport } from '../../../src/gateway/http1/client/exchange.ts'
import { createSelfSigned } from '../../support/self-signed.ts'
import { until } from '../../support/until.ts'

const certificate = createSelfSigned()
const trusted = getCACertificates('default')
beforeAll(() => setDefaultCACertificates([...trusted, certificate.cert]))
afterAll(() => setDefaultCACertificates(trusted))

let opened = new AsyncDisposableStack()
afterEach(async () => {
  await opened.disposeAsync()
  opened = new AsyncDisposableStack()
})

type Route = 'directly' | 'through TLS' | 'through a proxy'
const routes: readonly Route[] = ['directly', 'through TLS', 'through a proxy']

interface Refusing {
  readonly way: UpstreamTransport
  readonly sockets: readonly Socket[]
}

/** `onUpload` is told when the head and the first part of a request have come. */
async function openUpstream(route: Route, onUpload: (socket: Socket) => void): Promise<Refusing> {
  const sockets: Socket[] = []
  const server = route === 'through TLS' ? createTlsServer(certificate) : createServer()
  server.on(route === 'through TLS' ? 'secureConnection' : 'connection', (socket: Socket) => {
    let received = ''
    sockets.push(socket)
    socket.on('error', () => {})
    socket.on('data', (bytes) => {
      received += bytes.toString('latin1')
      if (/\r\n\r\n./.test(received)) onUpload(socket)
    })
  })
  const port = await listen(server)
  opened.defer(async () => {
    for (const socket of sockets) socket.destroy()
    server.close()
    await once(server, 'close')
  })
  const connections = opened.use(new UpstreamConnections(() => true))
  return { way: wayOf(connections, port, route), sockets }
}

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

function wayOf(connections: UpstreamConnections, port: number, route: Route): UpstreamTransport {
  switch (route) {
    case 'directly':
      return connections.toDeployment(`http://127.0.0.1:${port}`)
    case 'through TLS':
      return connections.toDeployment(`https://localhost:${port}`)
    case 'through a proxy':
      return connections.toProvider('http://a.invalid', `http://127.0.0.1:${port}`)
  }
}

interface Exchange {
  status: number
  body: string
  /** `whole`, or the code or name of the error. */
  outcome: string | null
}

function send(way: UpstreamTransport, body: Pick<CallRequest, 'body' | 'length'>): Exchange {
  const exchange: Exchange = { status: 0, body: '', outcome: null }
  way.dispatch(
    { origin: 'http://a.invalid', target: '/v1/x', headers: 'host: a.invalid\r\n', ...body },
    {
      onResend: () => {},
      onSending: () => {},
      onSent: () => {},
      onHead: ({ status }) => void (exchange.status = status),
      onBody: (chunk) => void (exchange.body += chunk.toString('latin1')),
      onEnd: () => void (exchange.outcome = 'whole'),
      onFailure: (error) => void (exchange.outcome = (error as NodeJS.ErrnoException).code ?? error.name),
    },
  )
  return exchange
}

const part = Buffer.alloc(1_000, 'x')
const length = 1_000 * part.length

/** Sends the first part of a body; when it has come, upstream does its worst, and the next parts go out before anything is read. */
async function sendAndMeet(route: Route, refuse: (socket: Socket) => void): Promise<[Exchange, Refusing, Readable]> {
  const body = new Readable({ read() {} })
  const upstream = await openUpstream(route, (socket) => {
    refuse(socket)
    for (let i = 0; i < 3; i++) body.push(part)
  })
  const exchange = send(upstream.way, { body: () => body, length })
  body.push(part)
  await until(() => exchange.outcome, { what: 'the end of the exchange' })
  return [exchange, upstream, body]
}

const refusal = 'HTTP/1.1 413 Too Large\r\nconnection: close\r\ncontent-length: 2\r\n\r\nno'
const chunkedRefusal = 'HTTP/1.1 413 Too Large\r\ntransfer-encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n'

const closings: readonly (readonly [string, (socket: Socket) => void])[] = [
  ['closes', (socket) => socket.destroy()],
  ['ends its side and closes', (socket) => socket.destroySoon()],
  ['resets', (socket) => socket.resetAndDestroy()],
]

/** A socket of TLS cannot reset its connection. */
const refusals = routes.flatMap((route) =>
  closings.filter(([verb]) => verb !== 'resets' || route !== 'through TLS').map((one) => [route, ...one] as const),
)

test.each(refusals)(
  '%s, an upstream answers, %s, and the upload goes on: the answer is told',
  async (route, _, close) => {
    for (const answer of [refusal, chunkedRefusal]) {
      const [exchange, upstream, body] = await sendAndMeet(route, (socket) => {
        socket.write(answer)
        close(socket)
      })
      expect(exchange).toEqual({ status: 413, body: 'no', outcome: 'whole' })
      await until(() => body.destroyed)
      const next = send(upstream.way, { body: () => Readable.from([part]), length: part.length })
      await until(() => next.outcome)
      expect(next.status).toBe(413)
      expect(upstream.sockets).toHaveLength(2)
    }
  },
)

test.each(refusals)('%s, an upstream that %s without an answer has failed', async (route, _, close) => {
  const [exchange, , body] = await sendAndMeet(route, close)
  const outcome = expect.stringMatching(/^(ECONNRESET|EPIPE|UPSTREAM_CLOSED|UND_ERR_SOCKET)$/) as string
  expect(exchange).toEqual({ status: 0, body: '', outcome })
  await until(() => body.destroyed)
})

test.each([
  ['in order, it is whole', closings[0]![1], 'whole'],
  ['by a reset, it may not be whole', closings[2]![1], 'ECONNRESET'],
])('the end of a connection is the end of an answer: %s', async (_, close, outcome) => {
  const [exchange] = await sendAndMeet('directly', (socket) => {
    socket.write('HTTP/1.1 413 Too Large\r\n\r\nno')
    close(socket)
  })
  expect(exchange).toEqual({ status: 413, body: 'no', outcome })
})

test('nothing more is read of a body whose upstream refuses it and will close', async () => {
  const upstream = await openUpstream('directly', (socket) => socket.write(refusal.slice(0, -1)))
  const body = new Readable({ read() {} })
  const exchange = send(upstream.way, { body: () => body, length })
  body.push(part)
  await until(() => body.destroyed)
  expect(exchange).toEqual({ status: 413, body: 'n', outcome: null })
  upstream.sockets[0]!.write('o')
  expect(await until(() => exchange.outcome)).toBe('whole')
  await until(() => upstream.sockets[0]!.closed)
})

test('a body goes on behind the head of an answer that needs it', async () => {
  const upstream = await openUpstream('directly', (socket) =>
    socket.write('HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n'),
  )
  let taken = 0
  const body = new Readable({ read() {} })
  const exchange = send(upstream.way, { body: () => body, length: 2 * part.length })
  body.push(part)
  await until(() => exchange.status === 200)
  upstream.sockets[0]!.removeAllListeners('data').on('data', (bytes: Buffer) => (taken += bytes.length))
  body.push(part)
  await until(() => taken === part.length)
  body.push(null)
  upstream.sockets[0]!.end('hi')
  expect(await until(() => exchange.outcome)).toBe('whole')
  expect(exchange.body).toBe('hi')
})
