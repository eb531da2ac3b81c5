/** Providers whose proxy cannot be used, e.g. because its address may not be called any more. */
import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import type { CallRequest } from '../../../src/gateway/http1/client/exchange.ts'
import { ForbiddenAddressError, UpstreamConnections } from '../../../src/gateway/upstream/connections.ts'
import { openUpstream } from '../../support/upstream.ts'
import { openTestGateway, provider, route } from '../support/open-test-gateway.ts'

const proxyUrl = 'http://127.0.0.9:3128'
const isAllowed = (address: string) => address !== '127.0.0.9'
const request = { origin: 'http://a.invalid', target: '/v1/x', headers: 'host: a.invalid\r\n' }

/** What becomes of a request: the name or code of its failure. */
function failureThrough(connections: UpstreamConnections, url: string, body: CallRequest['body']): Promise<string> {
  return new Promise((resolve, reject) => {
    const wrong = () => reject(new Error('there was an answer'))
    const receiver = {
      onSending: () => {},
      onSent: () => {},
      onHead: wrong,
      onBody: wrong,
      onEnd: wrong,
      onResend: wrong,
    }
    const onFailure = (error: Error) => resolve((error as NodeJS.ErrnoException).code ?? error.name)
    const way = connections.toProvider('http://a.invalid', url)
    way.dispatch({ ...request, body, length: 1 }, { ...receiver, onFailure })
  })
}

test('a request through a proxy that may not be called fails', async () => {
  await using connections = new UpstreamConnections(isAllowed)
  expect(await failureThrough(connections, proxyUrl, [Buffer.from('a')])).toBe('ForbiddenAddressError')
  expect(() => connections.throughProxy(proxyUrl)).toThrow(ForbiddenAddressError)
})

test('a body that was never sent through a proxy is let go', async () => {
  await using connections = new UpstreamConnections(() => true)
  const refused = new Readable({ read() {} })
  expect(await failureThrough(connections, 'http://127.0.0.1:1', () => refused)).toBe('ECONNREFUSED')
  expect(refused.destroyed).toBe(true)

  const silent = createServer().listen(0, '127.0.0.1')
  await once(silent, 'listening')
  const unsent = new Readable({ read() {} })
  const silentUrl = `https://localhost:${(silent.address() as AddressInfo).port}`
  const ignore = () => {}
  const receiver = {
    onSending: ignore,
    onSent: ignore,
    onHead: ignore,
    onBody: ignore,
    onEnd: ignore,
    onResend: ignore,
  }
  const way = connections.toProvider('http://a.invalid', silentUrl)
  way.dispatch({ ...request, body: () => unsent, length: 1 }, { ...receiver, onFailure: ignore }).abort()
  expect(unsent.destroyed).toBe(true)
  silent.close()
})

test('the fallback answers for a provider whose proxy may not be called, as for one that cannot be reached', async () => {
  await using good = await openUpstream({ name: 'good' })
  await using gateway = await openTestGateway(
    {
      providers: [provider('a', 'http://a.invalid/v1', { proxyUrl }), provider('good', good.baseUrl)],
      routes: [route('chat', ['pmd_a'], { fallback: ['pmd_good'] })],
    },
    { isAllowedAddress: isAllowed },
  )
  const answer = await gateway.post('/chat/completions', { model: 'chat', messages: [] })
  expect(answer.status).toBe(200)
  expect(answer.headers.get('x-signalbox-fallback')).toBe('connect_error')
  expect(gateway.logs.filter(({ level }) => level === 'error')).toEqual([])
})

test('the fallback answers for a provider whose proxy wants to know who asks', async () => {
  const proxy = createHttpServer((_, response) => response.writeHead(407).end()).listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  const own = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
  await using good = await openUpstream({ name: 'good' })
  await using gateway = await openTestGateway({
    providers: [provider('a', 'http://a.invalid/v1', { proxyUrl: own }), provider('good', good.baseUrl)],
    routes: [route('chat', ['pmd_a'], { fallback: ['pmd_good'] }), route('alone', ['pmd_a'])],
  })
  const answer = await gateway.post('/chat/completions', { model: 'chat', messages: [] })
  expect(answer.status).toBe(200)
  expect(answer.headers.get('x-signalbox-fallback')).toBe('connect_error')
  const alone = await gateway.post('/chat/completions', { model: 'alone', messages: [] })
  expect(alone.status).toBe(502)
  expect(await alone.json()).toMatchObject({ error: { code: 'upstream_unreachable' } })
  proxy.close()
  proxy.closeAllConnections()
})

test('a proxy that nobody uses any more is let go', async () => {
  await using connections = new UpstreamConnections(() => true, { proxyIdleMs: 0 })
  const former = connections.throughProxy('http://127.0.0.1:1')
  const next = connections.throughProxy('http://127.0.0.1:2')
  const ask = { origin: 'http://a.invalid', path: '/', method: 'GET' } as const
  await expect(former.request(ask)).rejects.toThrow('closed')
  await expect(next.request(ask)).rejects.toThrow('ECONNREFUSED')
  expect(connections.throughProxy('http://127.0.0.1:1')).not.toBe(former)
})
