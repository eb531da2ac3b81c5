/** Bodies that upstream takes more slowly than they could be sent, directly and through a proxy. */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { Readable } from 'node:stream'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterEach, expect, test } from 'vitest'
import { findOperation } from '../../../src/routing/vendors/operation.ts'
import { streamProtocolOf } from '../../../src/gateway/protocol/protocol-of.ts'
import { type CallOpening, UpstreamCall } from '../../../src/gateway/upstream/call.ts'
import { UpstreamConnections } from '../../../src/gateway/upstream/connections.ts'
import type { CallRequest, UpstreamExchange, UpstreamTransport } from '../../../src/gateway/http1/client/exchange.ts'
import { until } from '../../support/until.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

const opened: AsyncDisposable[] = []
afterEach(async () => {
  for (const resource of opened.splice(0).reverse()) await resource[Symbol.asyncDispose]()
})

const megabyte = 1024 * 1024
const answer = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi'

/** An upstream, or a proxy that speaks for it, that reads no more than it is told to. */
interface SlowServer {
  readonly port: number
  readonly sockets: readonly Socket[]
  /** Bytes of the last request's body that were read so far. */
  taken: number
  /** What was read so far of the last request's body; it may be asked once. */
  readonly digest: () => string
  /** Reads so many bytes more. */
  take(bytes: number): void
}

/** Answers when it has read a body of this length; null: never. */
async function openSlowServer(length: number | null): Promise<SlowServer> {
  const sockets: Socket[] = []
  let allowed = 0
  let head = ''
  let hash = createHash('sha256')
  const slow = {
    port: 0,
    sockets,
    taken: 0,
    digest: () => hash.digest('hex'),
    take(bytes: number) {
      allowed += bytes
      sockets.at(-1)?.resume()
    },
  }
  const read = (bytes: Buffer): Buffer => {
    if (head.endsWith('\r\n\r\n')) return bytes
    const end = bytes.indexOf('\r\n\r\n') + 4
    head += bytes.toString('latin1', 0, end)
    hash = createHash('sha256')
    return bytes.subarray(end)
  }
  const server = createServer({ pauseOnConnect: true }, (socket) => {
    sockets.push(socket)
    socket.on('error', () => {})
    socket.on('data', (bytes: Buffer) => {
      const body = read(bytes)
      hash.update(body)
      slow.taken += body.length
      if (slow.taken === length) {
        head = ''
        socket.write(answer)
      }
      if (slow.taken >= allowed) socket.pause()
    })
    socket.pause()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  opened.push({
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  })
  slow.port = (server.address() as AddressInfo).port
  return slow
}

type Route = 'directly' | 'through a proxy'
const routes: readonly Route[] = ['directly', 'through a proxy']

function wayTo(port: number, route: Route): UpstreamTransport {
  const connections = new UpstreamConnections(() => true)
  opened.push(connections)
  const url = `http://127.0.0.1:${port}`
  return route === 'directly' ? connections.toProvider(url, null) : connections.toProvider('http://a.invalid', url)
}

const request = { origin: 'http://a.invalid', target: '/v1/x', headers: 'host: a.invalid\r\n' }

interface Exchange {
  readonly exchange: UpstreamExchange
  sent: number
  told: number
  status: number
  /** `whole`, or the code or name of the error. */
  outcome: string | null
}

function send(way: UpstreamTransport, body: Pick<CallRequest, 'body' | 'length'>): Exchange {
  const result = { exchange: null as unknown as UpstreamExchange, sent: 0, told: 0, status: 0 } as Exchange
  const tell = (rest: Partial<Exchange>) => void Object.assign(result, rest, { told: result.told + 1 })
  const exchange = way.dispatch(
    { ...request, ...body },
    {
      onResend: () => {},
      onSending: () => tell({}),
      onSent: () => tell({ sent: result.sent + 1 }),
      onHead: ({ status }) => tell({ status }),
      onBody: () => tell({}),
      onEnd: () => tell({ outcome: 'whole' }),
      onFailure: (error) => tell({ outcome: (error as NodeJS.ErrnoException).code ?? error.name }),
    },
  )
  return Object.assign(result, { exchange })
}

/** Until the sockets in between are full. */
async function untilStuck(exchange: Exchange): Promise<void> {
  let before = -1
  await until(() => exchange.sent > 0 && before === (before = exchange.sent), { everyMs: 200 })
}

/** No two parts of it are the same. */
function patterned(bytes: number): Buffer {
  const body = Buffer.alloc(bytes)
  for (let at = 0; at + 4 <= bytes; at += 4) body.writeUInt32LE(at, at)
  return body
}

const length = 40 * megabyte
const whole = patterned(length)
const sha256 = createHash('sha256').update(whole).digest('hex')

function slices(...ends: readonly number[]): Buffer[] {
  return [...ends, length].map((end, i) => whole.subarray(i === 0 ? 0 : ends[i - 1], end))
}

function* blocks(): Generator<Buffer> {
  for (let at = 0; at < length; at += 100_000) yield whole.subarray(at, at + 100_000)
}

const bodies: readonly (readonly [string, () => CallRequest['body']])[] = [
  ['one piece', () => [whole]],
  ['pieces, some of them empty or long', () => slices(0, 1, 1, 100_000, 3 * megabyte, length, length)],
  ['a stream', () => () => Readable.from(blocks(), { objectMode: false })],
]

test.each(routes.flatMap((route) => bodies.map(([form, body]) => [form, route, body] as const)))(
  'each part of %s that upstream takes %s is told, and all of it arrives as it is',
  async (_, route, body) => {
    const server = await openSlowServer(length)
    const exchange = send(wayTo(server.port, route), { body: body(), length })
    await untilStuck(exchange)
    for (let i = 0; i < 3; i++) {
      const before = exchange.sent
      await until(() => {
        server.take(megabyte / 4)
        return exchange.sent > before
      })
    }
    expect(server.taken).toBeLessThan(length)
    server.take(Infinity)
    await until(() => exchange.outcome)
    expect(exchange).toMatchObject({ outcome: 'whole', status: 200 })
    expect(server.digest()).toBe(sha256)
  },
)

test.each(routes)('a connection is of use for another long body after the answer to the first: %s', async (route) => {
  const server = await openSlowServer(2 * megabyte)
  const way = wayTo(server.port, route)
  for (let i = 0; i < 2; i++) {
    server.taken = 0
    const exchange = send(way, { body: [whole.subarray(0, 2 * megabyte)], length: 2 * megabyte })
    await until(() => {
      server.take(megabyte)
      return exchange.outcome === 'whole'
    })
  }
  expect(server.sockets).toHaveLength(1)
})

interface Call {
  readonly call: UpstreamCall
  opening: CallOpening | null
}

const firstByteMs = 800

function call(way: UpstreamTransport, body: Pick<CallRequest, 'body' | 'length'>): Call {
  const timeouts = { connectMs: 10_000, firstByteMs, answerMs: firstByteMs, idleMs: 10_000 }
  const protocol = streamProtocolOf(findOperation('/v1/chat/completions')!)
  const result: { opening: CallOpening | null } = { opening: null }
  const made = new UpstreamCall(
    { timeouts, leftMs: 60_000, wantsStream: false, protocol },
    {
      onOpening: (_, opening) => void (result.opening = opening),
      onBytes: () => {},
      onFault: (error) => {
        throw error
      },
    },
  )
  made.send(way, { ...request, ...body })
  return Object.assign(result, { call: made })
}

test.each(routes)('an upstream may take longer for a long body than for its answer, %s', async (route) => {
  const pieces = Array.from({ length: 64 }, () => whole.subarray(0, megabyte))
  const server = await openSlowServer(64 * megabyte)
  const made = call(wayTo(server.port, route), { body: pieces, length: 64 * megabyte })
  const slowUntilMs = performance.now() + 3 * firstByteMs
  await until(() => {
    server.take(megabyte / 8)
    return performance.now() > slowUntilMs
  })
  expect(made.opening).toBeNull()
  expect(server.taken).toBeLessThan(64 * megabyte)
  server.take(Infinity)
  expect(await until(() => made.opening)).toBe('answering')
})

test.each(routes)('an upstream that takes no more of a long body is not waited for, %s', async (route) => {
  const server = await openSlowServer(null)
  const made = call(wayTo(server.port, route), { body: [whole], length })
  await until(() => server.sockets.length > 0)
  server.take(megabyte)
  expect(await until(() => made.opening)).toBe('firstByteTimeout')
  server.take(Infinity)
  await until(() => server.sockets[0]!.closed)
  expect(server.taken).toBeLessThan(length)
})

test.each(routes)(
  'an answer that comes before a long body has gone is told, and costs the connection: %s',
  async (route) => {
    const server = await openSlowServer(null)
    const exchange = send(wayTo(server.port, route), { body: [whole], length })
    await untilStuck(exchange)
    server.sockets[0]!.write('HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno')
    await until(() => exchange.outcome)
    expect(exchange).toMatchObject({ outcome: 'whole', status: 413 })
    server.take(Infinity)
    await until(() => server.sockets[0]!.closed)
    expect(server.taken).toBeLessThan(length)
  },
)

test.each(routes)('a long body of which upstream takes only a part is a failure, %s', async (route) => {
  const server = await openSlowServer(null)
  const exchange = send(wayTo(server.port, route), { body: [whole], length })
  await untilStuck(exchange)
  server.sockets[0]!.resetAndDestroy()
  expect(await until(() => exchange.outcome)).toMatch(/^(ECONNRESET|EPIPE|UND_ERR_SOCKET)$/)
})

test.each(routes)('a long upload that is aborted stops at once, and nothing is told any more: %s', async (route) => {
  const server = await openSlowServer(null)
  const exchange = send(wayTo(server.port, route), { body: [whole], length })
  await untilStuck(exchange)
  const { told } = exchange
  exchange.exchange.abort()
  server.take(Infinity)
  await until(() => server.sockets[0]!.closed)
  expect(server.taken).toBeLessThan(length)
  expect(exchange).toMatchObject({ told })
})

/** A body that nobody else knows, and whether its memory is in use. */
function forgotten(bytes: number): { body: Buffer[]; isKept: () => boolean } {
  const body = Array.from({ length: bytes / megabyte }, () => Buffer.alloc(megabyte))
  const refs = body.map(({ buffer }) => new WeakRef(buffer))
  return { body, isKept: () => refs.some((ref) => ref.deref() !== undefined) }
}

async function untilCollected(isKept: () => boolean): Promise<void> {
  await until(
    () => {
      collectGarbage()
      return !isKept()
    },
    { what: 'the memory of a body' },
  )
}

test.each(routes)('nothing of a long body is kept while its answer is waited for, %s', async (route) => {
  const server = await openSlowServer(null)
  const way = wayTo(server.port, route)
  const sendForgotten = () => {
    const { body, isKept } = forgotten(4 * megabyte)
    return { isKept, exchange: send(way, { body, length: 4 * megabyte }) }
  }
  const { exchange, isKept } = sendForgotten()
  await until(() => {
    server.take(megabyte)
    return server.taken === 4 * megabyte
  })
  await untilCollected(isKept)
  server.sockets[0]!.write(answer)
  expect(await until(() => exchange.outcome)).toBe('whole')
})

test.each(routes)('nothing of a long body is kept when it was given up, %s', async (route) => {
  const server = await openSlowServer(null)
  const way = wayTo(server.port, route)
  const sendForgotten = () => {
    const { body, isKept } = forgotten(length)
    return { isKept, exchange: send(way, { body, length }) }
  }
  const abortForgotten = async () => {
    const { exchange, isKept } = sendForgotten()
    await untilStuck(exchange)
    exchange.exchange.abort()
    return isKept
  }
  await untilCollected(await abortForgotten())
})
