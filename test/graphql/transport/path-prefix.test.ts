/** Behind a proxy that takes a prefix off the path, and passes on the rest as it is. */
import { once } from 'node:events'
import { createServer, request as sendRequest, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createClient as createSseClient } from 'graphql-sse'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { until } from '../../support/until.ts'
import { openTestApi, type TestApi } from '../support/open-api.ts'

const prefix = '/models/admin'

let api: TestApi
let proxy: Server
let url: string
beforeAll(async () => {
  api = await openTestApi()
  const { hostname, port } = new URL(api.url)
  proxy = createServer((incoming, outgoing) => {
    if (!incoming.url!.startsWith(`${prefix}/`)) return outgoing.writeHead(404).end()
    const { method, headers } = incoming
    const upstream = sendRequest({ hostname, port, method, headers, path: incoming.url!.slice(prefix.length) })
    upstream.on('response', (answer) => {
      outgoing.writeHead(answer.statusCode!, answer.headers)
      answer.pipe(outgoing)
    })
    outgoing.once('close', () => upstream.destroy())
    upstream.on('error', () => outgoing.destroy())
    return incoming.pipe(upstream)
  })
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}${prefix}/`
})
afterAll(async () => {
  proxy.closeAllConnections()
  proxy.close()
  await api[Symbol.asyncDispose]()
})

/** Where GraphiQL finds the API: it resolves the endpoint against the address of its page. */
async function endpointOfPage(): Promise<string> {
  const page = await (await fetch(url)).text()
  const endpoint = /"endpoint":"([^"]*)"/.exec(page.slice(page.lastIndexOf('YogaGraphiQL.renderYogaGraphiQL(')))![1]!
  return new URL(endpoint, url).toString()
}

test('GraphiQL calls the API below the prefix of its page', async () => {
  const endpoint = await endpointOfPage()
  expect(endpoint).toBe(`${url}graphql`)
  const response = await fetch(endpoint, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${api.adminKey}` },
    body: JSON.stringify({ query: '{ viewer { scopes } }' }),
  })
  expect(await response.json()).toMatchObject({ data: { viewer: {} } })
})

test('a subscription over server-sent events comes through below the prefix, and ends there', async () => {
  const client = createSseClient({
    url: await endpointOfPage(),
    headers: { authorization: `Bearer ${api.adminKey}` },
    retryAttempts: 0,
  })
  const events = client.iterate({ query: 'subscription { configChanged { version } }' })
  expect((await events.next()).value).toMatchObject({ data: { configChanged: {} } })
  client.dispose()
  await until(() => api.live.snapshotListeners() === 0)
})
