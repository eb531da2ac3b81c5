import { once } from 'node:events'
import { Agent, get, type IncomingMessage, type RequestListener, request } from 'node:http'
import { connect, createServer, type Socket } from 'node:net'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { type HttpListener, type HttpListenerOptions, openHttpListener } from '../../../src/server/listeners/http.ts'
import { StartError } from '../../../src/server/start-error.ts'

const opened: AsyncDisposable[] = []
const sockets: Socket[] = []

async function open(handle: RequestListener, options: Partial<HttpListenerOptions> = {}): Promise<HttpListener> {
  const listener = await openHttpListener({
    listen: { host: '127.0.0.1', port: 0 },
    variablePrefix: 'SIGNALBOX_API',
    handle,
    whyNotReady: () => undefined,
    ...options,
  })
  opened.push(listener)
  return listener
}

afterEach(async () => {
  vi.useRealTimers()
  for (const socket of sockets.splice(0)) socket.destroy()
  for (const listener of opened.splice(0)) await listener[Symbol.asyncDispose]()
})

const hello: RequestListener = (_request, response) => void response.end('hello')

function dial(listener: HttpListener): Socket {
  const socket = connect(listener.port, '127.0.0.1')
  sockets.push(socket)
  return socket
}

async function readAll(socket: Socket): Promise<string> {
  let text = ''
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()))
  await once(socket, 'close')
  return text
}

function talk(listener: HttpListener, bytes: string): Promise<string> {
  const socket = dial(listener)
  socket.write(bytes)
  return readAll(socket)
}

async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

async function ask(url: string, agent: Agent): Promise<IncomingMessage> {
  const [response] = (await once(get(url, { agent }), 'response')) as [IncomingMessage]
  return response
}

describe('a request', () => {
  test('is handed over', async () => {
    const listener = await open(hello)
    expect(await (await fetch(`${listener.url}/anything?q=1`)).text()).toBe('hello')
  })

  test.each([
    ['two Host headers', 'GET / HTTP/1.1\r\nHost: a\r\nhOST: b\r\n\r\n', 400],
    ['no Host header', 'GET / HTTP/1.1\r\n\r\n', 400],
    ['an absolute-form target', 'GET http://elsewhere/ HTTP/1.1\r\nHost: a\r\n\r\n', 400],
    ['an asterisk as target', 'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n', 400],
    ['Transfer-Encoding on HTTP/1.0', 'POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 400],
    ['two lengths', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab', 400],
    [
      'a length and chunks',
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      400,
    ],
    ['an obsolete folded header', 'GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n', 400],
    ['no HTTP at all', '\u0016\u0003\u0001\u0002\u0000hello\r\n\r\n', 400],
    ['headers over 16 KiB', `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
  ])('with %s is refused, and its connection closed', async (_, bytes, status) => {
    const handle = vi.fn<RequestListener>(hello)
    const answer = await talk(await open(handle), bytes)
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} .*\\r\\n`))
    expect(answer.toLowerCase()).toContain('connection: close')
    expect(handle).not.toHaveBeenCalled()
  })

  test('that is refused is told why, in the envelope that clients read', async () => {
    const answer = await talk(await open(hello), 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n')
    expect(JSON.parse(answer.slice(answer.indexOf('{')))).toEqual({
      error: {
        message: 'The HTTP request is malformed: it has more than one Host header.',
        type: 'invalid_request_error',
        param: null,
        code: 'bad_request',
      },
    })
  })

  test('that is malformed does not write into a response that is under way', async () => {
    const listener = await open((_request, response) => void response.write('begun'))
    const socket = dial(listener)
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    const text = readAll(socket)
    await once(socket, 'data')
    socket.write('\u0000garbage\r\n\r\n')
    expect(await text).not.toContain('400')
  })
})

describe('silence', () => {
  const later = async (ms: number) => {
    // Second by second, so that what the server does in between can happen.
    for (let at = 0; at < ms; at += 1_000) {
      await vi.advanceTimersByTimeAsync(1_000)
      await new Promise((resolve) => setImmediate(resolve))
    }
  }

  test('of 30 s in a body ends the request; a body that moves may take longer', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    const arrived: string[] = []
    const listener = await open((request) => void request.on('data', (chunk: Buffer) => arrived.push(chunk.toString())))
    const socket = dial(listener)
    const text = readAll(socket)
    socket.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n')
    for (let i = 0; i < 4; i++) {
      socket.write(`part${i}`)
      await expect.poll(() => arrived.length).toBe(i + 1)
      await later(20_000)
    }
    await later(15_000)
    expect(await text).toMatch(/^HTTP\/1\.1 408 /)
  })

  test('of a client whose body we do not read is not its fault', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    const requests: IncomingMessage[] = []
    const listener = await open((request) => void requests.push(request))
    const socket = dial(listener)
    socket.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50000000\r\n\r\n')
    socket.write(Buffer.alloc(1_000_000))
    await expect.poll(() => requests[0] && requests[0].readableLength >= requests[0].readableHighWaterMark).toBe(true)
    await later(60_000)
    expect(requests[0]?.destroyed).toBe(false)
  })

  test('of an answer may be as long as it likes', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    const answers: (() => void)[] = []
    const listener = await open((_request, response) => void answers.push(() => response.end('late')))
    const response = fetch(listener.url)
    await expect.poll(() => answers.length).toBe(1)
    await later(120_000)
    answers[0]!()
    expect(await (await response).text()).toBe('late')
  })
})

describe('probes', () => {
  test('say that the process lives, and whether it is ready', async () => {
    let why: string | undefined = 'no snapshot yet'
    const { url } = await open(hello, { whyNotReady: () => why })
    const probe = async (path: string) => {
      const response = await fetch(url + path)
      expect(response.headers.get('x-content-type-options')).toBe('nosniff')
      return [response.status, await response.text()]
    }
    expect(await probe('/healthz')).toEqual([200, 'ok\n'])
    expect(await probe('/readyz')).toEqual([503, 'no snapshot yet\n'])
    why = undefined
    expect(await probe('/readyz')).toEqual([200, 'ok\n'])
  })
})

describe('a port that cannot be had', () => {
  const openAt = (host: string, port: number) => open(hello, { listen: { host, port } })

  test('because it is in use is told with the variable to change', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    const { port } = other.address() as { port: number }
    const attempt = openAt('127.0.0.1', port)
    await expect(attempt).rejects.toThrow(StartError)
    await expect(attempt).rejects.toThrow(
      `127.0.0.1:${port} is in use by another process. Stop it, or set SIGNALBOX_API_PORT`,
    )
    other.close()
  })

  test.each(['192.0.2.1', 'no-such-host.invalid'])('because %s is not of this machine is told so', async (host) => {
    await expect(openAt(host, 0)).rejects.toThrow(/SIGNALBOX_API_HOST|cannot be listened on/)
  })
})

describe('draining', () => {
  test('lets requests in flight end, refuses new connections, and loses no request on an open one', async () => {
    const answers: (() => void)[] = []
    const listener = await open((request, response) => {
      if (request.url === '/slow') answers.push(() => void response.end('slow'))
      else response.end('quick')
    })
    const idle = new Agent({ keepAlive: true, maxSockets: 1 })
    await textOf(await ask(`${listener.url}/quick`, idle))
    const slow = fetch(`${listener.url}/slow`)
    await expect.poll(() => answers.length).toBe(1)

    const drained = listener.drain(20_000)
    expect(listener.draining.aborted).toBe(true)
    const last = await ask(`${listener.url}/quick`, idle)
    expect([await textOf(last), last.headers.connection]).toEqual(['quick', 'close'])
    await expect(fetch(listener.url)).rejects.toThrow('fetch failed')
    answers[0]!()
    expect(await (await slow).text()).toBe('slow')
    expect(await drained).toBe(true)
    idle.destroy()
  })

  test('says not ready to a probe on an open connection', async () => {
    const listener = await open(hello)
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    await textOf(await ask(listener.url, agent))
    const drained = listener.drain(20_000)
    const probe = await ask(`${listener.url}/readyz`, agent)
    expect([probe.statusCode, await textOf(probe)]).toEqual([503, 'draining\n'])
    expect(await drained).toBe(true)
  })

  test('closes connections that stay idle', async () => {
    const listener = await open(hello)
    const agent = new Agent({ keepAlive: true })
    await textOf(await ask(listener.url, agent))
    expect(await listener.drain(20_000)).toBe(true)
  })

  test('gives up after its time, and disposing then closes what is left', async () => {
    const listener = await open((_request, response) => void response.write('for ever'))
    const call = request(listener.url).end()
    const [response] = (await once(call, 'response')) as [IncomingMessage]
    expect(await listener.drain(10)).toBe(false)
    const broken = textOf(response)
    await listener[Symbol.asyncDispose]()
    await expect(broken).rejects.toThrow('aborted')
  })
})

describe('another protocol', () => {
  const head = 'Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n'

  test('is handed over with its socket, which disposing closes', async () => {
    const listener = await open(hello, { upgrade: (_request, socket) => void socket.write('taken') })
    const socket = dial(listener)
    socket.write(`GET /graphql HTTP/1.1\r\nHost: a\r\n${head}`)
    const [bytes] = (await once(socket, 'data')) as [Buffer]
    expect(bytes.toString()).toBe('taken')
    const closed = once(socket, 'close')
    await listener[Symbol.asyncDispose]()
    await closed
  })

  test('with two Host headers is refused', async () => {
    const upgrade = vi.fn<NonNullable<HttpListenerOptions['upgrade']>>()
    const listener = await open(hello, { upgrade })
    expect(await talk(listener, `GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n${head}`)).toMatch(/^HTTP\/1\.1 400 /)
    expect(upgrade).not.toHaveBeenCalled()
  })
})
