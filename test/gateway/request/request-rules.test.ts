import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { defaultRequestRules } from '../../../src/routing/config/configuration.ts'
import { openUpstream } from '../../support/upstream.ts'
import { deployment, openTestGateway, provider, route } from '../support/open-test-gateway.ts'

const rules = {
  ...defaultRequestRules,
  passHeaders: ['x-tenant', 'x-trace'],
  passResponseHeaders: ['x-region', 'x-cost'],
}
const request = { model: 'chat', messages: [] }

const answering = (headers: Record<string, string | string[]>) =>
  openUpstream(() => ({ response }) => {
    response.writeHead(200, { 'content-type': 'application/json', ...headers }).end('{"id":"1","choices":[]}')
  })

test('a header passes to the backend that lists it, and back from it, and with no other', async () => {
  await using open = await answering({
    'X-Region': 'eu',
    'x-cost': ['1', '2'],
    'x-internal': 'no',
    'set-cookie': 'a=b',
  })
  await using closed = await answering({ 'x-region': 'us' })
  await using gateway = await openTestGateway({
    deployments: [deployment('open', [open.baseUrl], { requestRules: rules })],
    providers: [provider('closed', closed.baseUrl)],
    routes: [route('chat', ['dep_open']), route('strict', ['pmd_closed'])],
  })
  const headers = { 'X-Tenant': 'blue', 'x-trace': 't-1', 'x-other': 'no', cookie: 'a=b' }
  const answer = await gateway.post('/chat/completions', request, headers)
  expect(answer.status).toBe(200)
  expect(open.requests[0]!.headers).toMatchObject({ 'x-tenant': 'blue', 'x-trace': 't-1' })
  expect(open.requests[0]!.headers).not.toHaveProperty('x-other')
  expect(open.requests[0]!.headers).not.toHaveProperty('cookie')
  expect(Object.fromEntries(answer.headers)).toMatchObject({ 'x-region': 'eu', 'x-cost': '1, 2' })
  expect(answer.headers.has('x-internal')).toBe(false)
  expect(answer.headers.has('set-cookie')).toBe(false)
  const strict = await gateway.post('/chat/completions', { ...request, model: 'strict' }, headers)
  expect(strict.headers.has('x-region')).toBe(false)
  expect(closed.requests[0]!.headers).not.toHaveProperty('x-tenant')
})

test('a fallback gets the headers that it lists itself', async () => {
  await using first = await openUpstream(
    () =>
      ({ response }) =>
        void response.writeHead(500).end(),
  )
  await using second = await answering({ 'x-cost': '3' })
  await using gateway = await openTestGateway({
    deployments: [deployment('first', [first.baseUrl])],
    providers: [provider('second', second.baseUrl, { requestRules: rules })],
    routes: [route('chat', ['dep_first'], { fallback: ['pmd_second'] })],
  })
  const answer = await gateway.post('/chat/completions', request, { 'x-tenant': 'blue' })
  expect(answer.headers.get('x-cost')).toBe('3')
  expect(first.requests[0]!.headers).not.toHaveProperty('x-tenant')
  expect(second.requests[0]!.headers).toMatchObject({ 'x-tenant': 'blue' })
})

test('what the operator configured is sent, whatever a client says in a header that may pass', async () => {
  await using upstream = await answering({})
  const headers = [{ name: 'X-Tenant', value: 'ours' }]
  await using gateway = await openTestGateway({
    providers: [provider('p', upstream.baseUrl, { requestRules: rules, headers })],
    routes: [route('chat', ['pmd_p'])],
  })
  await gateway.post('/chat/completions', request, { 'x-tenant': 'theirs' })
  expect(upstream.requests[0]!.headers['x-tenant']).toBe('ours')
})

test('a header that Connection lists is for this hop, on both ways, though it may pass', async () => {
  await using upstream = await answering({ 'x-region': 'eu', 'x-cost': '1', connection: 'keep-alive, X-Cost' })
  await using gateway = await openTestGateway({
    deployments: [deployment('d', [upstream.baseUrl], { requestRules: rules })],
    routes: [route('chat', ['dep_d'])],
  })
  const body = JSON.stringify(request)
  const socket = connect(gateway.port, '127.0.0.1')
  socket.write(
    `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${gateway.key}\r\ncontent-type: application/json\r\n` +
      `x-tenant: blue\r\nX-TRACE: t-1\r\nconnection: close, x-tenant\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  )
  const answer = await text(socket)
  expect(upstream.requests[0]!.headers).toMatchObject({ 'x-trace': 't-1' })
  expect(upstream.requests[0]!.headers).not.toHaveProperty('x-tenant')
  expect(answer).toContain('x-region: eu')
  expect(answer).not.toContain('x-cost')
})
