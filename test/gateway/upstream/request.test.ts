/** What upstreams get of a request besides its body. */
import { expect, test } from 'vitest'
import { openUpstream, type Upstream } from '../../support/upstream.ts'
import { deployment, openTestGateway, provider, route } from '../support/open-test-gateway.ts'

const request = { model: 'chat', messages: [] }

async function headersWith(
  upstream: Upstream,
  headers: readonly { readonly name: string; readonly value: string }[],
  ofClient: Record<string, string> = {},
) {
  await using gateway = await openTestGateway({
    providers: [provider('a', upstream.baseUrl, { kind: 'ANTHROPIC', headers })],
    routes: [route('chat', ['pmd_a'])],
  })
  await gateway.post('/messages', request, ofClient)
  return upstream.requests.at(-1)!.rawHeaders.map((text, i) => (i % 2 === 0 ? text.toLowerCase() : text))
}

/** Values of a header, each as it came. */
function valuesOf(name: string, rawHeaders: readonly string[]): string[] {
  return rawHeaders.filter((_, i) => i % 2 === 1 && rawHeaders[i - 1] === name)
}

test('what a service demands is sent unless the client says otherwise, and what the operator says is sent always', async () => {
  await using upstream = await openUpstream()
  const version = 'anthropic-version'
  expect(valuesOf(version, await headersWith(upstream, []))).toEqual(['2023-06-01'])
  expect(valuesOf(version, await headersWith(upstream, [], { [version]: '2099-01-01' }))).toEqual(['2099-01-01'])
  const configured = [{ name: 'Anthropic-Version', value: '2024-01-01' }]
  const sent = await headersWith(upstream, configured, { [version]: '2099-01-01', 'anthropic-beta': 'a' })
  expect(valuesOf(version, sent)).toEqual(['2024-01-01'])
  expect(valuesOf('anthropic-beta', sent)).toEqual(['a'])
  expect(valuesOf('x-api-key', sent)).toEqual(['secret-of-a'])
  expect(valuesOf('accept-encoding', sent)).toEqual(['identity'])
  expect(valuesOf('host', sent)).toEqual([`127.0.0.1:${upstream.port}`])
})

test('the id of the request goes upstream once, and the operator may set it', async () => {
  await using upstream = await openUpstream()
  expect(valuesOf('x-request-id', await headersWith(upstream, []))).toEqual([expect.stringMatching(/^req_/)])
  const configured = [{ name: 'X-Request-Id', value: 'fixed' }]
  expect(valuesOf('x-request-id', await headersWith(upstream, configured))).toEqual(['fixed'])
})

test('the query of a base URL stands before the query of the client', async () => {
  await using upstream = await openUpstream()
  await using gateway = await openTestGateway({
    deployments: [deployment('a', [`${upstream.baseUrl}?api-version=1`])],
    routes: [route('chat', ['dep_a'])],
  })
  for (const query of ['', '?x=1']) await gateway.post(`/chat/completions${query}`, request)
  expect(upstream.requests.map(({ path }) => path)).toEqual([
    '/v1/chat/completions?api-version=1',
    '/v1/chat/completions?api-version=1&x=1',
  ])
})

test.each([
  ['a line break', 'x-a', 'secret\r\nx-b: 1'],
  ['a control character', 'x-a', 'secret\0'],
  ['a character that no header holds', 'x-a', 'secret 🚦'],
  ['a name with a colon', 'x-a: secret', '1'],
])('a configured header with %s is never sent', async (_, name, value) => {
  await using upstream = await openUpstream()
  await using gateway = await openTestGateway({
    providers: [provider('a', upstream.baseUrl, { headers: [{ name, value }] })],
    routes: [route('chat', ['pmd_a'])],
  })
  const answer = await gateway.post('/chat/completions', request)
  expect(answer.status).toBe(500)
  expect(upstream.requests).toHaveLength(0)
})
