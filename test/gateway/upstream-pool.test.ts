import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { expect, test } from 'vitest'
import type { OpenSocket } from '../../src/gateway/upstream-connection.ts'
import { UpstreamPool } from '../../src/gateway/upstream-pool.ts'
import { until } from '../support/until.ts'

/** Sends one request and resolves to what became of it. */
function send(pool: UpstreamPool, target: string): Promise<'answered' | 'failed'> {
  return new Promise((resolve) => {
    pool.dispatch(
      { origin: '', target, headers: 'host: a\r\n', body: [], length: 0 },
      {
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

test('a connection serves one request after the other, and the pool is empty when the last has gone, whoever closed it', async () => {
  let connections = 0
  const server = createServer((request, response) => {
    if (request.url === '/broken') request.socket.destroy()
    else response.end('x')
  })
  server.on('connection', () => connections++)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  let emptied = 0
  const pool = new UpstreamPool(socketsTo((server.address() as AddressInfo).port), 4_000, () => emptied++)

  expect([await send(pool, '/'), await send(pool, '/')]).toEqual(['answered', 'answered'])
  expect({ connections, emptied }).toEqual({ connections: 1, emptied: 0 })
  await Promise.all([send(pool, '/'), send(pool, '/'), send(pool, '/')])
  expect(connections).toBe(3)
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
