/** The same bytes through Node's server and through ours: we read what Node reads, or refuse it. */
import { once } from 'node:events'
import { createServer, METHODS } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import * as fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Listener } from '../../../src/gateway/http1/server/listener.ts'
import type { Exchange } from '../../../src/gateway/http1/server/exchange.ts'
import { messageFault } from '../../../src/gateway/body/request-faults.ts'
import { cut, cuts, damaged, request } from './wire-bytes.ts'

/** A request as it was read, with its whole body. */
interface Read {
  readonly method: string
  readonly target: string
  readonly body: string
}

interface Server {
  readonly port: number
  /** By the port of the client. */
  readonly read: Map<number, Read[]>
}

const closing: (() => void)[] = []
let node: Server
let ours: Server

beforeAll(async () => {
  node = await openNode()
  ours = await openOurs()
})
afterAll(() => closing.forEach((close) => close()))

async function openNode(): Promise<Server> {
  const read = new Map<number, Read[]>()
  const server = createServer((message, response) => {
    const chunks: Buffer[] = []
    message.on('data', (chunk: Buffer) => chunks.push(chunk))
    message.on('end', () => {
      const one = { method: message.method!, target: message.url!, body: Buffer.concat(chunks).toString('latin1') }
      read.get(message.socket.remotePort!)?.push(one)
      response.end()
    })
  })
  // What cannot be read ends the connection; whoever read something before is told of it first.
  server.on('clientError', (_, socket) => setImmediate(() => socket.destroy()))
  server.on('connection', (socket) => read.set(socket.remotePort!, read.get(socket.remotePort!) ?? []))
  server.on('upgrade', (_, socket) => socket.destroy())
  server.on('connect', (_, socket) => socket.destroy())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closing.push(() => server.close().closeAllConnections())
  return { port: (server.address() as AddressInfo).port, read }
}

async function openOurs(): Promise<Server> {
  const read = new Map<number, Read[]>()
  const take = (exchange: Exchange) => {
    const fault = messageFault(exchange.head)
    const chunks: Buffer[] = []
    const { method, target } = exchange.head
    const list = listOf(exchange)
    if (fault) return refuse(exchange)
    exchange.read({
      onChunk: (chunk) => void chunks.push(Buffer.from(chunk)),
      onBodyEnd(end) {
        if (end !== 'whole') return exchange.destroy()
        list.push({ method, target, body: Buffer.concat(chunks).toString('latin1') })
        exchange.answer(200, [], Buffer.alloc(0))
      },
    })
  }
  const refuse = (exchange: Exchange) => {
    exchange.keepsAlive = false
    exchange.answer(400, [], Buffer.alloc(0))
  }
  // Which client it was is in a header: our connections keep their sockets to themselves.
  const listOf = ({ memory }: Exchange) => {
    const key = memory as unknown as object
    let list = byMemory.get(key)
    if (!list) byMemory.set(key, (list = []))
    ourLists.push(list)
    return list
  }
  const listener = new Listener({
    onExchange: take,
    onFault: refuse,
    untakenMs: 10_000,
    onInternalFault: (error) => {
      throw error
    },
  })
  const { port } = await listener.listen('127.0.0.1', 0)
  closing.push(() => listener[Symbol.dispose]())
  return { port, read }
}

const byMemory = new WeakMap<object, Read[]>()
let ourLists: Read[][] = []

/** Sends the pieces, each for itself, ends, and waits until the server has ended too. */
async function send(port: number, pieces: readonly Buffer[]): Promise<number> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  socket.on('error', () => {})
  socket.resume()
  await once(socket, 'connect')
  const { localPort } = socket
  const closed = new Promise((resolve) => socket.once('close', resolve))
  for (const piece of pieces) {
    if (piece.length > 0) socket.write(piece)
    await new Promise(setImmediate)
  }
  socket.end()
  await closed
  return localPort!
}

async function readBoth(pieces: readonly Buffer[]): Promise<{ node: Read[]; ours: Read[] }> {
  ourLists = []
  const [port] = await Promise.all([send(node.port, pieces), send(ours.port, pieces)])
  const read = { node: node.read.get(port) ?? [], ours: [...new Set(ourLists)].flat() }
  node.read.delete(port)
  return read
}

test('whole requests, one behind the other and cut anywhere, are read as Node reads them', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(request, { minLength: 1, maxLength: 3 }), cuts, async (requests, places) => {
      const read = await readBoth(cut(requests.join(''), places))
      expect(read.ours).toEqual(read.node)
    }),
    { numRuns: 150 },
  )
})

test('of damaged requests we read what Node reads, or less, and never anything else', async () => {
  await fc.assert(
    fc.asyncProperty(damaged(request), cuts, async (bytes, places) => {
      const read = await readBoth(cut(bytes, places))
      const known = readUpToUnknownMethod(read.ours)
      expect(read.node.slice(0, known.length)).toEqual(known)
    }),
    { numRuns: 300 },
  )
})

/** Node reads no methods but its own; we read any, and answer 405: what stands behind them is not comparable. */
function readUpToUnknownMethod(read: Read[]): Read[] {
  const at = read.findIndex(({ method }) => !METHODS.includes(method))
  return at < 0 ? read : read.slice(0, at)
}

const post = (headers: string, rest = '') => `POST / HTTP/1.1\r\nhost: a\r\n${headers}\r\n${rest}`
const next = 'POST /next HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n'

/** How many requests each of them reads. The page `docs/decisions/0001-own-http1.md` says why. */
const meantDifferences: readonly (readonly [what: string, bytes: string, node: number, ours: number])[] = [
  ['two Host headers', post('host: b\r\ncontent-length: 0\r\n'), 1, 0],
  ['an absolute target', 'POST http://b/ HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n', 1, 0],
  ['a GET with a body', 'GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\nx', 1, 0],
  ['two Content-Types', post('content-type: a/b\r\ncontent-type: c/d\r\ncontent-length: 0\r\n'), 1, 0],
  ['a coding besides chunked', post('transfer-encoding: gzip, chunked\r\n', '0\r\n\r\n'), 1, 0],
  ['many empty lines', `${'\r\n'.repeat(20)}${next}`, 1, 0],
  ['Transfer-Encoding in HTTP/1.0', 'POST / HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n', 1, 0],
]

test.each(meantDifferences)('we are stricter than Node: %s', async (_, bytes, nodeReads, oursReads) => {
  const read = await readBoth([Buffer.from(bytes, 'latin1')])
  expect([read.node.length, read.ours.length]).toEqual([nodeReads, oursReads])
})

test.each([
  ['a blank behind the size of a chunk', post('transfer-encoding: chunked\r\n', `1 \r\nx\r\n0\r\n\r\n${next}`)],
  ['a blank in an extension', post('transfer-encoding: chunked\r\n', `1;a b\r\nx\r\n0\r\n\r\n${next}`)],
  ['an extension without a name', post('transfer-encoding: chunked\r\n', `1;\r\nx\r\n0\r\n\r\n${next}`)],
  ['a bare line feed in an extension', post('transfer-encoding: chunked\r\n', `1;a\nx\r\n0\r\n\r\n${next}`)],
  ['a trailer without a name', post('transfer-encoding: chunked\r\n', `0\r\n: a\r\n\r\n${next}`)],
  ['two lengths', post('content-length: 1\r\ncontent-length: 2\r\n', `xx${next}`)],
  ['a length and chunks', post('content-length: 1\r\ntransfer-encoding: chunked\r\n', `0\r\n\r\n${next}`)],
  ['a folded header', post('x-a: 1\r\n 2\r\ncontent-length: 0\r\n', next)],
  ['a blank before a colon', post('content-length : 0\r\n', next)],
])('neither Node nor we read a request behind %s', async (_, bytes) => {
  const read = await readBoth([Buffer.from(bytes, 'latin1')])
  expect(read).toEqual({ node: [], ours: [] })
})
