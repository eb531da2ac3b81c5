import { expect, test } from 'vitest'
import { status } from '../../support/replies.ts'
import { openUpstream } from '../../support/upstream.ts'
import { deployment, openTestGateway, provider, route } from '../support/open-test-gateway.ts'

test('a chat completion reaches the upstream byte for byte but for its model, and comes back as it was', async () => {
  await using upstream = await openUpstream({ name: 'a' })
  await using gateway = await openTestGateway({
    deployments: [deployment('llama', [upstream.baseUrl])],
    routes: [route('chat', ['dep_llama'])],
  })
  const body =
    '{ "n": 9007199254740993, "x":1e400,\n"model" : "chat", "messages":[{"role":"user","content":"h\\u00e9"}] }'
  const answer = await gateway.post('/chat/completions', body)
  expect(answer.status).toBe(200)
  expect(await answer.json()).toMatchObject({
    model: 'served-llama',
    choices: [{ message: { content: 'hello from a' } }],
  })
  expect(upstream.requests[0]?.path).toBe('/v1/chat/completions')
  expect(upstream.requests[0]?.body.toString()).toBe(body.replace('"chat"', '"served-llama"'))
  expect(Object.fromEntries(answer.headers)).toMatchObject({
    'x-signalbox-route': 'chat',
    'x-signalbox-revision': '7',
    'x-signalbox-backend': 'llama',
    'x-signalbox-attempts': '1',
  })
  expect(answer.headers.has('x-signalbox-fallback')).toBe(false)
  expect(answer.headers.get('x-request-id')).toMatch(/^req_[0-9a-hjkmnp-tv-z]{26}$/)
  expect(gateway.records).toMatchObject([
    {
      outcome: 'OK',
      status: 200,
      routeName: 'chat',
      backendLabel: 'llama',
      attempts: [{ status: 200, trigger: null }],
    },
  ])
})

test('a streamed chat completion comes event by event, without the usage that the client did not ask for', async () => {
  await using upstream = await openUpstream({ name: 'a' })
  await using gateway = await openTestGateway({
    providers: [provider('cloud', upstream.baseUrl)],
    routes: [route('chat', ['pmd_cloud'])],
  })
  const answer = await gateway.post('/chat/completions', { model: 'chat', stream: true, messages: [] })
  const text = await answer.text()
  expect(answer.headers.get('content-type')).toContain('text/event-stream')
  expect(answer.headers.get('x-signalbox-backend')).toBe(encodeURIComponent('cloud/model-of-cloud'))
  expect(text).toContain('"content":"hello "')
  expect(text).not.toContain('prompt_tokens')
  expect(text.endsWith('data: [DONE]\n\n')).toBe(true)
  expect(upstream.requests[0]?.json()).toMatchObject({ stream_options: { include_usage: true } })
  expect(upstream.requests[0]?.headers.authorization).toBe('Bearer secret-of-cloud')
  expect(gateway.records).toMatchObject([{ outcome: 'OK', stream: true }])
})

test('a long prompt reaches the second backend byte for byte and with its length after the first has failed', async () => {
  await using failing = await openUpstream(() => status(500))
  await using upstream = await openUpstream({ name: 'b' })
  await using gateway = await openTestGateway({
    deployments: [deployment('first', [failing.baseUrl]), deployment('second', [upstream.baseUrl])],
    routes: [route('chat', ['dep_first'], { fallback: ['dep_second'] })],
  })
  const content = 'naïve 🚦 9007199254740993 '.repeat(10_000)
  const body = `{"messages":[{"role":"user","content":"${content}"}],"model":"chat","n":1e400}`
  const answer = await gateway.post('/chat/completions', body)
  expect(answer.status).toBe(200)
  const expected = (model: string) => Buffer.from(body.replace('"model":"chat"', `"model":"${model}"`))
  expect(failing.inferences[0]?.body.equals(expected('served-first'))).toBe(true)
  expect(upstream.inferences[0]?.body.equals(expected('served-second'))).toBe(true)
  expect(upstream.inferences[0]?.headers['content-length']).toBe(String(expected('served-second').length))
})
