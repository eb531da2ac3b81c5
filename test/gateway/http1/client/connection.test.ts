/** Connections to upstreams that are no honest servers. */
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { Readable } from 'node:stream'
import { createServer as createTlsServer, getCACertificates, setDefaultCACertificates } from 'node:tls'
import { afterEach, expect, test } from 'vitest'
import type { AnswerHead } from '../../../../src/gateway/http1/client/answer-head.ts'
import { UpstreamConnections } from '../../../../src/gateway/upstream/connections.ts'
import type { CallRequest, UpstreamExchange, UpstreamTransport } from '../../../../src/gateway/http1/client/exchange.ts'
import { createSelfSigned } from '../../../support/self-signed.ts'
import { until } from '../../../support/until.ts'

const opened: AsyncDisposable[] = []
afterEach(async () => {
  for (const resource of opened.splice(0).reverse()) await resource[Symbol.asyncDispose]()
})

interface LyingServer {
  readonly port: number
  /** In the order in which they came. */
  readonly sockets: readonly Socket[]
  /** All that came so far, by connection. */
  readonly received: readonly string[]
}

/** What it does with a connection, and with what comes there. */
interface Lies {
  readonly onConnection?: (socket: Socket, index: number) => void
  readonly onData?: (socket: Socket, received: string, index: number) => void
}

async function lie(lies: Lies, server: Server = createServer()): Promise<LyingServer> {
  const sockets: Socket[] = []
  const received: string[] = []
  server.on(server.listeners('secureConnection').length > 0 ? 'secureConnection' : 'connection', (socket: Socket) => {
    const index = sockets.push(socket) - 1
    received.push('')
    socket.on('error', () => {})
    socket.on('data', (bytes) => {
      received[index] += bytes.toString('latin1')
      lies.onData?.(socket, received[index]!, index)
    })
    lies.onConnection?.(socket, index)
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
  return { port: (server.address() as AddressInfo).port, sockets, received }
}

/** Answers each request with these bytes; requests are told by the end of their heads. */
function answering(...answers: readonly string[]): Lies {
  let requests = 0
  return {
    onData: (socket, received) => {
      if (received.endsWith('\r\n\r\n')) socket.write(answers[requests++ % answers.length]!, 'latin1')
    },
  }
}

interface Address {
  readonly scheme?: string
  readonly host?: string
  readonly isAllowed?: () => boolean
}

function wayTo(port: number, address: Address = {}): UpstreamTransport {
  const { scheme = 'http', host = '127.0.0.1', isAllowed = () => true } = address
  const connections = new UpstreamConnections(isAllowed)
  opened.push(connections)
  return connections.toDeployment(`${scheme}://${host}:${port}`)
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

interface Exchange {
  readonly exchange: UpstreamExchange
  readonly events: string[]
  head: AnswerHead | null
  body: string
  /** `whole`, or the code or name of the error. */
  outcome: string | null
}

/** `onEvent` is told of a head and of parts of a body. */
function send(
  way: UpstreamTransport,
  rest: Partial<CallRequest> = {},
  onEvent?: (exchange: Exchange) => void,
): Exchange {
  const events: string[] = []
  const request = {
    origin: '',
    target: '/v1/x?a=b',
    headers: 'host: h\r\nx-a: caf\xe9\r\n',
    body: [],
    length: 0,
    ...rest,
  }
  const result = { events, head: null, body: '', outcome: null } as unknown as Mutable<Exchange>
  result.exchange = way.dispatch(request, {
    onResend(exchange) {
      events.push('resend')
      result.exchange = exchange
    },
    onSending: () => void events.push('sending'),
    onSent: () => void events.push('sent'),
    onHead(head) {
      events.push('head')
      result.head = head
      onEvent?.(result)
    },
    onBody(chunk) {
      result.body += chunk.toString('latin1')
      onEvent?.(result)
    },
    onEnd() {
      events.push('end')
      result.outcome = 'whole'
    },
    onFailure(error) {
      events.push('failure')
      result.outcome = (error as NodeJS.ErrnoException).code ?? error.name
    },
  })
  return result
}

async function outcomeOf(exchange: Exchange): Promise<string> {
  return await until(() => exchange.outcome, { what: 'the end of an exchange' })
}

const ok = 'HTTP/1.1 200 OK\r\n'
const answer = `${ok}content-length: 2\r\n\r\nhi`
const requestHead = (length: number) =>
  `POST /v1/x?a=b HTTP/1.1\r\nhost: h\r\nx-a: caf\xe9\r\nconnection: keep-alive\r\ncontent-length: ${length}\r\n\r\n`

test.each([
  ['none', []],
  ['some', [Buffer.from('ab'), Buffer.from(''), Buffer.from('\xe9', 'latin1')]],
  ['many', [Buffer.alloc(50_000, 'x'), Buffer.alloc(200_000, 'y'), Buffer.alloc(50_000, 'x')]],
])('a request of pieces arrives as what they are, joined: %s', async (_, body) => {
  const { length } = Buffer.concat(body)
  const server = await lie({
    onData: (socket, received) => received.length === requestHead(length).length + length && socket.write(answer),
  })
  const exchange = send(wayTo(server.port), { body, length })
  expect(await outcomeOf(exchange)).toBe('whole')
  expect(exchange.body).toBe('hi')
  expect(exchange.events.filter((event, i, all) => event !== all[i - 1])).toEqual(['sending', 'sent', 'head', 'end'])
  expect(server.received[0] === requestHead(length) + Buffer.concat(body).toString('latin1')).toBe(true)
})

test.each([
  ['without an answer', '', 'UPSTREAM_CLOSED'],
  ['in the head', 'HTTP/1.1 200 OK\r\nx-a: 1\r\n', 'UPSTREAM_CLOSED'],
  ['after an informational answer', 'HTTP/1.1 100 Continue\r\n\r\n', 'UPSTREAM_CLOSED'],
  ['in a body with a length', `${ok}content-length: 5\r\n\r\n1234`, 'UPSTREAM_CLOSED'],
  ['in a chunk', `${ok}transfer-encoding: chunked\r\n\r\n5\r\n1234`, 'UPSTREAM_CLOSED'],
  ['between chunks', `${ok}transfer-encoding: chunked\r\n\r\n4\r\n1234\r\n`, 'UPSTREAM_CLOSED'],
  ['before the end of trailers', `${ok}transfer-encoding: chunked\r\n\r\n0\r\n`, 'UPSTREAM_CLOSED'],
  ['at the end of a body that this ends', `${ok}\r\n1234`, 'whole'],
])('upstream closes %s', async (_, bytes, outcome) => {
  const server = await lie({ onData: (socket) => socket.end(bytes) })
  const exchange = send(wayTo(server.port))
  expect(await outcomeOf(exchange)).toBe(outcome)
  expect(exchange.events.at(-1)).toBe(outcome === 'whole' ? 'end' : 'failure')
  await until(() => server.sockets[0]!.closed)
})

test('a reset is a failure, also where the end of the connection would be the end of the body', async () => {
  const server = await lie({
    onData: (socket) => socket.write(`${ok}\r\n1234`),
  })
  const exchange = send(wayTo(server.port))
  await until(() => exchange.body === '1234')
  server.sockets[0]!.resetAndDestroy()
  expect(await outcomeOf(exchange)).toBe('ECONNRESET')
})

test('what is no answer is refused at once, without what it says, and its connection closed', async () => {
  for (const garbage of ['secret\r\n', `${ok}a b: secret\r\n\r\n`, `${ok}content-length: x\r\n\r\nsecret`]) {
    const server = await lie({ onData: (socket) => socket.write(garbage) })
    const exchange = send(wayTo(server.port))
    expect(await outcomeOf(exchange)).toBe('UPSTREAM_MALFORMED')
    expect(exchange.events).not.toContain('head')
    await until(() => server.sockets[0]!.closed)
  }
})

test('informational answers are passed over, chunks are taken apart, and the connection is used again', async () => {
  const hints = 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: <a>\r\n\r\n'
  const chunked = `${ok}transfer-encoding: chunked\r\n\r\n2;a=b\r\nhi\r\n0\r\nx-trailer: 1\r\n\r\n`
  const server = await lie(answering(hints + chunked, 'HTTP/1.1 204 No Content\r\n\r\n', answer))
  const way = wayTo(server.port)
  for (const [status, body] of [
    [200, 'hi'],
    [204, ''],
    [200, 'hi'],
  ] as const) {
    const exchange = send(way)
    expect(await outcomeOf(exchange)).toBe('whole')
    expect(exchange).toMatchObject({ head: { status }, body, events: ['sending', 'sent', 'head', 'end'] })
  }
  expect(server.sockets).toHaveLength(1)
})

test.each([
  ['a second answer', `${answer}${ok}content-length: 6\r\n\r\nforged`],
  ['a byte too many', `${answer}x`],
  ['connection: close', `${ok}connection: close\r\ncontent-length: 2\r\n\r\nhi`],
  ['HTTP/1.0', 'HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nhi'],
  ['a hint that leaves no time', `${ok}keep-alive: timeout=1\r\ncontent-length: 2\r\n\r\nhi`],
])('%s costs the connection, and the next request has its own answer', async (_, first) => {
  const server = await lie(answering(first, answer))
  const way = wayTo(server.port)
  for (let i = 0; i < 2; i++) {
    const exchange = send(way)
    expect(await outcomeOf(exchange)).toBe('whole')
    expect(exchange.body).toBe('hi')
  }
  expect(server.sockets).toHaveLength(2)
  await until(() => server.sockets[0]!.closed)
})

test('a connection on which upstream speaks, or which it ends, while it is idle is not used again', async () => {
  const server = await lie(answering(answer))
  const elsewhere = await lie(answering(answer))
  const way = wayTo(server.port)
  const misdeeds = [
    (socket: Socket) => socket.write(`${ok}content-length: 6\r\n\r\nforged`),
    (socket: Socket) => socket.end(),
    (socket: Socket) => socket.resetAndDestroy(),
  ]
  for (const [i, misdeed] of misdeeds.entries()) {
    expect(await outcomeOf(send(way))).toBe('whole')
    expect(server.sockets).toHaveLength(i + 1)
    misdeed(server.sockets[i]!)
    await until(() => server.sockets[i]!.closed)
    // A reset closes this end first; behind a round trip, the other end knows it too.
    expect(await outcomeOf(send(wayTo(elsewhere.port)))).toBe('whole')
  }
  const exchange = send(way)
  expect(await outcomeOf(exchange)).toBe('whole')
  expect(exchange.body).toBe('hi')
})

test('what came before a request went out is no answer to it', async () => {
  const server = await lie(answering(answer))
  const way = wayTo(server.port)
  expect(await outcomeOf(send(way))).toBe('whole')
  // Behind a timer the event loop looks for what came, and only then sends.
  const exchange = await new Promise<Exchange>((resolve) => {
    setTimeout(() => {
      server.sockets[0]!.write(`${ok}content-length: 6\r\n\r\nforged`)
      resolve(send(way))
    })
  })
  expect(await outcomeOf(exchange)).toBe('whole')
  expect(exchange.body).toBe('hi')
  expect(exchange.events).toEqual(['resend', 'sending', 'sent', 'head', 'end'])
  expect(server.sockets).toHaveLength(2)
})

test('a hint of upstream shortens the time that a connection is kept', async () => {
  const server = await lie(answering(`${ok}Keep-Alive: max=9, timeout=2\r\ncontent-length: 2\r\n\r\nhi`))
  const way = wayTo(server.port)
  expect(await outcomeOf(send(way))).toBe('whole')
  expect(await outcomeOf(send(way))).toBe('whole')
  const idleSinceMs = performance.now()
  expect(server.sockets).toHaveLength(1)
  await until(() => server.sockets[0]!.closed)
  // Without the hint it is 4 s.
  expect(performance.now() - idleSinceMs).toBeLessThan(3_500)
})

test('an answer that comes before the upload has ended is told, and costs the connection', async () => {
  const server = await lie({
    onData: (socket) => socket.write('HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno'),
  })
  const body = new Readable({ read() {} })
  body.push(Buffer.alloc(1_000))
  const exchange = send(wayTo(server.port), { body: () => body, length: 2_000 })
  expect(await outcomeOf(exchange)).toBe('whole')
  expect(exchange).toMatchObject({ head: { status: 413 }, body: 'no' })
  expect(body.destroyed).toBe(true)
  await until(() => server.sockets[0]!.closed)
})

test.each([
  ['shorter', ['ab'], 'BODY_MISMATCH'],
  ['longer', ['ab', 'cd', 'ef'], 'BODY_MISMATCH'],
  ['as long', ['ab', 'cd'], 'whole'],
])('a body that is read while it is sent, and is %s as was said', async (_, parts, outcome) => {
  const whole = `${requestHead(4)}abcd`
  const server = await lie({ onData: (socket, received) => received === whole && socket.write(answer) })
  const exchange = send(wayTo(server.port), {
    body: () => Readable.from(parts.map((part) => Buffer.from(part))),
    length: 4,
  })
  expect(await outcomeOf(exchange)).toBe(outcome)
  if (outcome !== 'whole') await until(() => server.sockets[0]!.closed)
  expect(whole.startsWith(server.received[0]!)).toBe(true)
})

test('a body that cannot be read to its end is a failure', async () => {
  const server = await lie({})
  const way = wayTo(server.port)
  const failing = new Readable({ read() {} })
  failing.push('a')
  const exchange = send(way, { body: () => failing, length: 2 })
  await until(() => server.received[0]?.endsWith('a'))
  failing.destroy(Object.assign(new Error('disk'), { code: 'EIO' }))
  expect(await outcomeOf(exchange)).toBe('EIO')
  const ended = new Readable({ read() {} })
  const other = send(way, { body: () => ended, length: 2 })
  await until(() => other.events.includes('sending'))
  ended.destroy()
  expect(await outcomeOf(other)).toBe('BODY_MISMATCH')
})

test('a body is read no faster than upstream takes it', async () => {
  const length = 40 * 1024 * 1024
  let read = 0
  const body = new Readable({
    read(size) {
      const part = Math.min(size, length - read)
      read += part
      this.push(part > 0 ? Buffer.alloc(part) : null)
    },
  })
  let taken = 0
  const server = createServer({ pauseOnConnect: true }, (socket) => {
    socket.on('error', () => {})
    socket.on('data', (bytes) => {
      taken += bytes.length
      if (taken === length + requestHead(length).length) socket.write(answer)
    })
  })
  const sockets: Socket[] = []
  server.on('connection', (socket) => void sockets.push(socket.pause()))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const exchange = send(wayTo((server.address() as AddressInfo).port), { body: () => body, length })
  let before = -1
  // Until nothing has moved for a while.
  await until(() => before === (before = read) && read > 0, { everyMs: 200 })
  expect(read).toBeLessThan(length / 2)
  sockets[0]!.resume()
  expect(await outcomeOf(exchange)).toBe('whole')
  expect(read).toBe(length)
  server.close()
})

test('an answer is held back while its reader pauses, and the connection is of use afterwards', async () => {
  const size = 30 * 1024 * 1024
  const server = await lie(answering(`${ok}content-length: ${size}\r\n\r\n${'x'.repeat(size)}`, answer))
  const way = wayTo(server.port)
  const exchange = send(way)
  await until(() => exchange.body.length > 0)
  exchange.exchange.pause()
  const pausedAt = exchange.body.length
  let before = -1
  await until(() => before === (before = server.sockets[0]!.writableLength), { everyMs: 200 })
  expect(exchange.body.length - pausedAt).toBeLessThan(1024 * 1024)
  expect(server.sockets[0]!.writableLength).toBeGreaterThan(0)
  exchange.exchange.resume()
  expect(await outcomeOf(exchange)).toBe('whole')
  expect(exchange.body).toHaveLength(size)
  expect(await outcomeOf(send(way))).toBe('whole')
  expect(server.sockets).toHaveLength(1)
})

test('an exchange that is aborted closes its connection at once, and nothing is told any more', async () => {
  const silent = await lie({})
  const reading = await lie({ onData: (socket) => socket.write(`${ok}content-length: 9\r\n\r\nhi`) })
  const body = new Readable({ read() {} })
  body.push('a')
  const cases = [
    {
      server: silent,
      exchange: send(wayTo(silent.port, { scheme: 'https' })),
      reached: () => silent.sockets.length === 1,
    },
    { server: reading, exchange: send(wayTo(reading.port)), reached: (one: Exchange) => one.body === 'hi' },
  ]
  for (const { server, exchange, reached } of cases) {
    await until(() => reached(exchange))
    const told = exchange.events.length
    exchange.exchange.abort()
    await until(() => server.sockets[0]!.closed)
    expect(exchange.events).toHaveLength(told)
  }
  const uploading = send(wayTo(silent.port), { body: () => body, length: 9 })
  await until(() => silent.received[1]?.endsWith('a'))
  uploading.exchange.abort()
  expect(body.destroyed).toBe(true)
  await until(() => silent.sockets[1]!.closed)
  expect(uploading.outcome).toBeNull()
})

test('an exchange may be aborted, or paused, by what it tells, with the end of its answer read already', async () => {
  const server = await lie(answering(answer))
  const way = wayTo(server.port)
  for (const [i, event] of ['head', 'body'].entries()) {
    const aborted = send(way, {}, (one) => {
      if (event === 'head' || one.body !== '') one.exchange.abort()
    })
    await until(() => server.sockets[i]?.closed)
    expect(aborted).toMatchObject({ outcome: null, body: event === 'head' ? '' : 'hi' })
  }
  expect(await outcomeOf(send(way, {}, ({ exchange }) => exchange.pause()))).toBe('whole')
  expect(await outcomeOf(send(way))).toBe('whole')
  expect(server.sockets).toHaveLength(3)
})

test('a body is not opened before there is a connection to send it on', async () => {
  const { port } = await lie({})
  let opened = 0
  const body = () => Readable.from([Buffer.from(String(opened++))])
  send(wayTo(port, { scheme: 'https' }), { body, length: 1 }).exchange.abort()
  expect(await outcomeOf(send(wayTo(1), { body, length: 1 }))).toBe('ECONNREFUSED')
  expect(opened).toBe(0)
})

test.each([
  ['an address', '127.0.0.1', () => false],
  ['a name', 'localhost', () => false],
])('%s that may not be called is not called', async (_, host, isAllowed) => {
  const server = await lie({})
  expect(await outcomeOf(send(wayTo(server.port, { host, isAllowed })))).toBe('ForbiddenAddressError')
  expect(server.sockets).toHaveLength(0)
})

test('a connection that led to an address that may not be called carries no request', async () => {
  const server = await lie({})
  let questions = 0
  const exchange = send(wayTo(server.port, { isAllowed: () => ++questions === 1 }))
  expect(await outcomeOf(exchange)).toBe('ForbiddenAddressError')
  expect(exchange.events).toEqual(['failure'])
  await until(() => server.sockets[0]?.closed)
  expect(server.received[0]).toBe('')
})

test('a TLS upstream is called if its certificate is good, one request after the other', async () => {
  const { key, cert } = createSelfSigned()
  const server = await lie(
    answering(answer),
    createTlsServer({ key, cert, ALPNProtocols: ['h2', 'http/1.1'] }, () => {}),
  )
  const address = { scheme: 'https', host: 'localhost' }
  expect(await outcomeOf(send(wayTo(server.port, address)))).toMatch(/SELF_SIGNED|UNABLE_TO_VERIFY/)
  const trusted = getCACertificates('default')
  setDefaultCACertificates([...trusted, cert])
  try {
    const way = wayTo(server.port, address)
    expect(await outcomeOf(send(way))).toBe('whole')
    expect(await outcomeOf(send(way))).toBe('whole')
    expect(server.sockets).toHaveLength(1)
    const body = [Buffer.alloc(100_000, 'x'), Buffer.alloc(1, '\n')]
    const large = send(way, { body, length: 100_001 })
    await until(() => server.received[0]!.endsWith('x\n'))
    server.sockets[0]!.write(answer)
    expect(await outcomeOf(large)).toBe('whole')
  } finally {
    setDefaultCACertificates(trusted)
  }
})

test('long bodies go to a TLS upstream, one after the other', async () => {
  const { key, cert } = createSelfSigned()
  const server = await lie(
    { onData: (socket, received) => received.endsWith('x.') && socket.write(answer) },
    createTlsServer({ key, cert }, () => {}),
  )
  const trusted = getCACertificates('default')
  setDefaultCACertificates([...trusted, cert])
  try {
    const way = wayTo(server.port, { scheme: 'https', host: 'localhost' })
    for (let i = 1; i <= 2; i++) {
      const body = [Buffer.alloc(1_500_000, 'x'), Buffer.from('.')]
      expect(await outcomeOf(send(way, { body, length: 1_500_001 }))).toBe('whole')
      expect(server.received[0]).toHaveLength(i * (requestHead(1_500_001).length + 1_500_001))
    }
  } finally {
    setDefaultCACertificates(trusted)
  }
})
