import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Dispatcher } from 'undici'
import { expect, test } from 'vitest'
import { UpstreamPool } from '../../src/gateway/upstream-pool.ts'
import { until } from '../support/until.ts'

/** Sends one request and resolves to what became of it. */
function send(pool: UpstreamPool, path: string): Promise<'answered' | 'failed'> {
  return new Promise((resolve) => {
    const call: Dispatcher.DispatchHandler & { onOver: (() => void) | null } = {
      onOver: null,
      onRequestStart: () => {},
      onResponseStart: () => {},
      onResponseData: () => {},
      onResponseEnd() {
        call.onOver?.()
        resolve('answered')
      },
      onResponseError() {
        call.onOver?.()
        resolve('failed')
      },
    }
    pool.dispatch({ origin: '', path, method: 'GET' }, call)
  })
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
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  let emptied = 0
  const pool = new UpstreamPool(origin, { pipelining: 1 }, () => emptied++)

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
  await pool.destroy()
})
