/** Upstreams whose certificate the system does not know. */
import { once } from 'node:events'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { UpstreamConnections } from '../../../src/gateway/upstream/connections.ts'
import { createSelfSigned } from '../../support/self-signed.ts'
import { until } from '../../support/until.ts'
import { deployment, openTestGateway, provider, route } from '../support/open-test-gateway.ts'

const known = createSelfSigned()
const other = createSelfSigned()
let connections = 0
const server = createServer({ key: known.key, cert: known.cert }, (_, response) => {
  response.writeHead(200, { 'content-type': 'application/json' }).end('{"choices":[]}')
})
let port = 0

beforeAll(async () => {
  server.on('secureConnection', () => connections++)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  port = (server.address() as AddressInfo).port
})
afterAll(() => server.close().closeAllConnections())

const models = { model: 'chat', messages: [] }

test.each(['own', 'undici'] as const)(
  '%s: a backend is reached if its certificate is trusted, and only then',
  async (transport) => {
    for (const [caCertificates, status] of [
      [null, 502],
      [other.cert, 502],
      [known.cert, 200],
      [`${known.cert}${other.cert}`, 200],
    ] as const) {
      const baseUrl = `https://localhost:${port}/v1`
      await using gateway = await openTestGateway(
        {
          deployments: [deployment('d', [baseUrl], { caCertificates })],
          providers: [provider('p', baseUrl, { caCertificates })],
          routes: [route('chat', ['dep_d']), route('other', ['pmd_p'])],
        },
        { upstreamTransport: transport },
      )
      expect((await gateway.post('/chat/completions', models)).status).toBe(status)
      expect((await gateway.post('/chat/completions', { ...models, model: 'other' })).status).toBe(status)
    }
  },
)

test('a trusted certificate is good for its own name only', async () => {
  await using gateway = await openTestGateway({
    deployments: [deployment('d', [`https://127.0.0.1:${port}/v1`], { caCertificates: known.cert })],
    routes: [route('chat', ['dep_d'])],
  })
  expect((await gateway.post('/chat/completions', models)).status).toBe(502)
})

test('who does not trust the certificate never gets a connection of who does', async () => {
  await using gateway = await openTestGateway({
    deployments: [
      deployment('trusting', [`https://localhost:${port}/v1`], { caCertificates: known.cert }),
      deployment('strict', [`https://localhost:${port}/v1`]),
    ],
    routes: [route('trusting', ['dep_trusting']), route('strict', ['dep_strict'])],
  })
  const before = connections
  for (const [model, status] of [
    ['trusting', 200],
    ['strict', 502],
    ['trusting', 200],
  ] as const) {
    expect((await gateway.post('/chat/completions', { ...models, model })).status).toBe(status)
  }
  // One that is kept and used again, and one that was refused.
  expect(connections - before).toBeLessThanOrEqual(2)
})

test('health checks and probes trust what the backend trusts', async () => {
  await using all = new UpstreamConnections(() => true)
  const ask = { origin: `https://localhost:${port}`, path: '/health', method: 'GET' } as const
  await expect(all.direct(null).request(ask)).rejects.toThrow('self-signed')
  const { statusCode, body } = await all.direct(known.cert).request(ask)
  await body.dump()
  expect(statusCode).toBe(200)
})

test('what is no certificate costs its own backend only', async () => {
  await using gateway = await openTestGateway({
    deployments: [
      deployment('broken', [`https://localhost:${port}/v1`], {
        caCertificates: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
      }),
      deployment('good', [`https://localhost:${port}/v1`], { caCertificates: known.cert }),
    ],
    routes: [route('broken', ['dep_broken']), route('good', ['dep_good'])],
  })
  expect((await gateway.post('/chat/completions', { ...models, model: 'broken' })).status).toBe(502)
  expect((await gateway.post('/chat/completions', { ...models, model: 'good' })).status).toBe(200)
  await until(() => gateway.records.length === 2)
})
