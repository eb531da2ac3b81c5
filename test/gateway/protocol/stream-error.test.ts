/** Streams that begin with an error: what would have been a status moves on as that status does. */
import { expect, test } from 'vitest'
import { chunks } from '../../support/replies.ts'
import { openUpstream } from '../../support/upstream.ts'
import { deployment, openTestGateway, provider, route } from '../support/open-test-gateway.ts'

const sse = { 'content-type': 'text/event-stream' }
const requests: Readonly<Record<string, object>> = {
  '/chat/completions': { model: 'chat', stream: true, messages: [] },
  '/responses': { model: 'chat', stream: true, input: 'hi' },
  '/messages': { model: 'chat', stream: true, max_tokens: 9, messages: [] },
}

const message = 'bad key sk-secret of the gateway'
const errorOf = (error: object) => `data: ${JSON.stringify({ error: { message, ...error } })}\n\n`
const failedResponse = (error: object) =>
  `event: response.failed\ndata: ${JSON.stringify({ type: 'response.failed', response: { error: { message, ...error } } })}\n\n`

async function openPair(triggers?: readonly ['CONTEXT_LENGTH']) {
  const main = await openUpstream({ name: 'main' })
  const spare = await openUpstream({ name: 'spare' })
  const gateway = await openTestGateway({
    deployments: [deployment('main', [main.baseUrl])],
    providers: [provider('spare', spare.baseUrl)],
    routes: [
      route('alone', ['dep_main']),
      route('chat', ['dep_main'], { fallback: ['pmd_spare'], ...(triggers ? { triggers } : {}) }),
    ],
  })
  return { main, gateway, [Symbol.asyncDispose]: () => disposeAll(gateway, main, spare) }
}

async function disposeAll(...all: readonly AsyncDisposable[]): Promise<void> {
  for (const one of all) await one[Symbol.asyncDispose]()
}

test.each<[string, string]>([
  ['/chat/completions', errorOf({ code: 401 })],
  ['/chat/completions', errorOf({ code: '403' })],
  ['/chat/completions', errorOf({ status: 403 })],
  ['/chat/completions', errorOf({ code: 'invalid_api_key', type: 'invalid_request_error' })],
  ['/chat/completions', errorOf({ code: 'unheard_of', type: 'permission_error' })],
  ['/chat/completions', errorOf({ code: 401 }).trimEnd()],
  ['/chat/completions', `data: ${JSON.stringify({ error: message, code: 401 })}\n\n`],
  ['/responses', `event: error\ndata: ${JSON.stringify({ type: 'error', code: 'invalid_api_key', message })}\n\n`],
  ['/responses', failedResponse({ code: 'invalid_api_key' })],
  [
    '/messages',
    `event: error\ndata: ${JSON.stringify({ type: 'error', error: { type: 'authentication_error', message } })}\n\n`,
  ],
])('%s: a refusal of the gateway’s credential moves on, and no client reads it: %s', async (path, event) => {
  await using pair = await openPair()
  const { main, gateway } = pair
  main.answerNext(chunks([event], sse), chunks([event], sse))
  const moved = await gateway.post(path, requests[path]!)
  expect(moved.headers.get('x-signalbox-fallback')).toBe('upstream_auth')
  expect(await moved.text()).toContain('spare')
  const refused = await gateway.post(path, { ...requests[path], model: 'alone' })
  expect(refused.status).toBe(502)
  expect(await refused.text()).not.toContain('sk-secret')
  expect(gateway.records.at(-1)).toMatchObject({ outcome: 'UPSTREAM_ERROR', errorCode: 'upstream_auth_failed' })
})

test.each<[string, string, string]>([
  ['/responses', 'rate_limited', failedResponse({ code: 'rate_limit_exceeded' })],
  ['/responses', 'server_error', failedResponse({ code: 'server_error' })],
  ['/chat/completions', 'rate_limited', errorOf({ code: 'insufficient_quota' })],
  ['/chat/completions', 'upstream_not_found', errorOf({ code: 'model_not_found' })],
  ['/chat/completions', 'server_error', errorOf({ code: '__proto__', type: 'constructor' })],
  ['/chat/completions', 'server_error', 'event: error\ndata: out of memory\n\n'],
  ['/chat/completions', 'server_error', 'data: [{"error":{"code":503,"message":"busy","status":"UNAVAILABLE"}}]\n\n'],
  ['/chat/completions', 'rate_limited', 'data: [{"error":{"code":429,"status":"RESOURCE_EXHAUSTED"}}]\n\n'],
])('%s: the first event says %s: %s', async (path, trigger, event) => {
  await using pair = await openPair()
  pair.main.answerNext(chunks([event], sse))
  const answer = await pair.gateway.post(path, requests[path]!)
  expect(answer.headers.get('x-signalbox-fallback')).toBe(trigger)
  await answer.text()
})

test.each<[string, string]>([
  ['/chat/completions', errorOf({ code: 'context_length_exceeded', type: 'invalid_request_error' })],
  ['/responses', failedResponse({ code: 'context_length_exceeded' })],
  [
    '/messages',
    'event: error\ndata: {"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 9 > 8"}}\n\n',
  ],
])(
  '%s: a context that is too long moves on where that is wanted, and is the client’s own elsewhere',
  async (path, event) => {
    await using pair = await openPair(['CONTEXT_LENGTH'])
    const { main, gateway } = pair
    main.answerNext(chunks([event], sse), chunks([event], sse))
    const moved = await gateway.post(path, requests[path]!)
    expect(moved.headers.get('x-signalbox-fallback')).toBe('context_length')
    expect(await moved.text()).toContain('spare')
    const own = await gateway.post(path, { ...requests[path], model: 'alone' })
    expect([own.status, await own.text()]).toEqual([200, event])
    expect(gateway.records.at(-1)).toMatchObject({ outcome: 'CLIENT_ERROR' })
  },
)
