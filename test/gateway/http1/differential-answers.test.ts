/** The same answers through undici's client and through ours: we read what undici reads, or refuse it. */
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import * as fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { TransportName } from '../../../src/gateway/upstream/transport.ts'
import { UpstreamConnections } from '../../../src/gateway/upstream/connections.ts'
import { answer, cut, cuts, damaged } from './wire-bytes.ts'

interface Read {
  readonly status: number
  readonly body: string
}

let pieces: readonly Buffer[] = []
const sockets = new Set<Socket>()
const server = createServer({ noDelay: true }, (socket) => {
  sockets.add(socket)
  socket.on('error', () => {}).on('close', () => sockets.delete(socket))
  socket.once('data', () => void play(socket, pieces))
})

beforeAll(async () => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterAll(() => {
  for (const socket of sockets) socket.destroy()
  server.close()
})

/** The pieces, and the end of the connection. */
async function play(socket: Socket, list: readonly Buffer[]): Promise<void> {
  for (const piece of list) {
    if (piece.length > 0) socket.write(piece)
    await new Promise(setImmediate)
  }
  socket.end()
}

/** Null: it could not be read to its end. */
async function read(transport: TransportName): Promise<Read | null> {
  await using connections = new UpstreamConnections(() => true, { transport })
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  let status = 0
  let body = ''
  return await new Promise((resolve) => {
    connections.toDeployment(origin).dispatch(
      { origin, target: '/', headers: 'host: a\r\n', body: [], length: 0 },
      {
        onSending: () => {},
        onSent: () => {},
        onResend: () => {},
        onHead: (head) => void (status = head.status),
        onBody: (chunk) => void (body += chunk.toString('latin1')),
        onEnd: () => resolve({ status, body }),
        onFailure: () => resolve(null),
      },
    )
  })
}

async function readBoth(bytes: readonly Buffer[]): Promise<{ undici: Read | null; ours: Read | null }> {
  pieces = bytes
  const [undici, ours] = [await read('undici'), await read('own')]
  return { undici, ours }
}

test('answers, with more behind them and cut anywhere, are read as undici reads them', async () => {
  await fc.assert(
    fc.asyncProperty(answer, cuts, async (bytes, places) => {
      const { undici, ours } = await readBoth(cut(bytes, places))
      expect(ours).toEqual(undici)
      expect(ours).not.toBeNull()
    }),
    { numRuns: 100 },
  )
})

test('of damaged answers we read what undici reads, or refuse them', async () => {
  await fc.assert(
    fc.asyncProperty(damaged(answer), cuts, async (bytes, places) => {
      const { undici, ours } = await readBoth(cut(bytes, places))
      expect([undici, null]).toContainEqual(ours)
    }),
    { numRuns: 250 },
  )
})
