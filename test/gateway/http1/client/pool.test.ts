import { once } from 'node:events'
import { createServer, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { expect, test } from 'vitest'
import type { OpenSocket } from '../../../../src/gateway/http1/client/connection.ts'
import { UpstreamPool } from '../../../../src/gateway/http1/client/pool.ts'
import { until } from '../../../support/until.ts'

/** Sends one request and resolves to what became of it. */
function send(pool: UpstreamPool, target: string): Promise<'answered' | 'failed'> {
  return new Promise((resolve) => {
    pool.dispatch(
      { origin: '', target, headers: 'host: a\r\n', body: [], length: 0 },
      {
        onResend: () => {},
        onSending: () => {},
        onSent: () => {},
        onHead: () => {},
        onBody: () => {},
        onEnd: () => resolve('answered'),
        onFailure: () => resolve('failed'),
      },
    )
  })
}

function socketsTo(port: number): OpenSocket {
  return (opened) => {
    const socket = connect(port, '127.0.0.1')
    const failed = (error: Error) => opened(error, null)
    socket.once('error', failed).once('connect', () => {
      socket.off('error', failed)
      opened(null, socket)
    })
    return socket
  }
}

interface CountingServer extends AsyncDisposable {
  readonly server: Server
  readonly port: number
  readonly connections: () => number
}

/** Answers everything but `/broken`. */
async function openServer(): Promise<CountingServer> {
  let connections = 0
  const server = createServer((request, response) => {
    if (request.url === '/broken') request.socket.destroy()
    else response.end('x')
  })
  server.on('connection', () => connections++)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    server,
    port: (server.address() as AddressInfo).port,
    connections: () => connections,
    async [Symbol.asyncDispose]() {
      if (!server.listening) return
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

test('a connection serves one request after the other, and the pool is empty when the last has gone, whoever closed it', async () => {
  await using counting = await openServer()
  const { server, port, connections } = counting
  let emptied = 0
  const pool = new UpstreamPool(socketsTo(port), 4_000, () => emptied++)

  expect([await send(pool, '/'), await send(pool, '/')]).toEqual(['answered', 'answered'])
  expect({ connections: connections(), emptied }).toEqual({ connections: 1, emptied: 0 })
  await Promise.all([send(pool, '/'), send(pool, '/'), send(pool, '/')])
  expect(connections()).toBe(3)
  server.closeIdleConnections()
  await until(() => emptied === 1)

  expect(await send(pool, '/broken')).toBe('failed')
  expect(emptied).toBe(2)
  server.close()
  await once(server, 'close')
  expect(await send(pool, '/')).toBe('failed')
  expect(emptied).toBe(3)
  pool.destroy()
})

test('a connection that was idle for too long is not used, even before it is closed', async () => {
  await using counting = await openServer()
  let emptied = 0
  const pool = new UpstreamPool(socketsTo(counting.port), 30, () => emptied++)
  expect(await send(pool, '/')).toBe('answered')
  const expiredAtMs = performance.now() + 30
  await until(() => performance.now() > expiredAtMs, { everyMs: 1 })
  expect(await send(pool, '/')).toBe('answered')
  expect({ connections: counting.connections(), emptied }).toEqual({ connections: 2, emptied: 0 })
  await until(() => emptied === 1)
})

test('the connection that was used last is used next', async () => {
  const answers: ServerResponse[] = []
  const ports: number[] = []
  const server = createServer((request, response) => {
    ports.push(request.socket.remotePort!)
    answers.push(response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const pool = new UpstreamPool(socketsTo((server.address() as AddressInfo).port), 4_000, () => {})
  let answered = 0
  const sendNext = () => void send(pool, '/').then(() => answered++)
  const answer = async (i: number) => {
    const before = answered
    await until(() => answers[i])
    answers[i]!.end()
    await until(() => answered > before)
  }
  sendNext()
  sendNext()
  await answer(1)
  await answer(0)
  for (const i of [2, 3]) {
    sendNext()
    await answer(i)
  }
  expect(ports.slice(2)).toEqual([ports[0], ports[0]])
  pool.destroy()
  server.close()
})
