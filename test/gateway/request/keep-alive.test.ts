/** What clients of streams get while they wait for content, where the route says so. */
import { expect, test } from 'vitest'
import { after, hang, status, stream } from '../../support/replies.ts'
import { openUpstream } from '../../support/upstream.ts'
import { until } from '../../support/until.ts'
import { deployment, openTestGateway, route } from '../support/open-test-gateway.ts'
import { streamedRequests } from '../support/sample-requests.ts'

const timeouts = { keepAliveMs: 40 }
const streams = streamedRequests.map((sample) => [sample.operation, sample] as const)
const isMessages = (operation: string) => operation === '/v1/messages'
const sign = (operation: string) =>
  isMessages(operation) ? 'event: ping\ndata: {"type": "ping"}\n\n' : ': keep-alive\n\n'

/** Reads until so many signs of life have come, then lets upstream go on, then the rest. */
async function readWith(answer: Response, mark: string, count: number, release: () => void): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const piece of answer.body!) {
    text += decoder.decode(piece, { stream: true })
    if (text.split(mark).length > count) release()
  }
  return text
}

test.each(streams)('%s: a client that waits gets 200 and signs of life, then the stream', async (operation, sample) => {
  const released = Promise.withResolvers<void>()
  await using slow = await openUpstream({ name: 'slow' })
  slow.answerNext(after(released.promise, stream(contentOf(operation))))
  await using gateway = await openTestGateway({
    deployments: [deployment('slow', [slow.baseUrl])],
    routes: [route('chat', ['dep_slow'], { timeouts })],
  })
  const answer = await sample.send(gateway)
  expect(answer.status).toBe(200)
  expect(answer.headers.get('content-type')).toContain('text/event-stream')
  expect(answer.headers.get('x-request-id')).toMatch(/^req_/)
  const text = await readWith(answer, sign(operation), 3, released.resolve)
  expect(text.startsWith(sign(operation).repeat(3))).toBe(true)
  expect(text.match(/Hel/g)).toHaveLength(1)
  expect(text).not.toContain('error')
  expect(gateway.records).toMatchObject([{ outcome: 'OK', status: 200 }])
})

test.each(streams)('%s: moving on stays possible until content came', async (operation, sample) => {
  const released = Promise.withResolvers<void>()
  await using failing = await openUpstream({ script: () => after(released.promise, status(503)) })
  await using spare = await openUpstream({ name: 'spare' })
  await using gateway = await openTestGateway({
    deployments: [deployment('failing', [failing.baseUrl]), deployment('spare', [spare.baseUrl])],
    routes: [route('chat', ['dep_failing'], { fallback: ['dep_spare'], timeouts })],
  })
  const answer = await sample.send(gateway)
  const text = await readWith(answer, sign(operation), 1, released.resolve)
  expect(answer.status).toBe(200)
  expect(text).toContain('spare')
  expect(gateway.records).toMatchObject([{ outcome: 'OK_BY_FALLBACK', fallbackTrigger: 'SERVER_ERROR' }])
})

test.each(streams)('%s: a final failure is one error event', async (operation, sample) => {
  const failures = [
    { reply: status(503), outcome: 'UPSTREAM_ERROR', says: 'scripted 503' },
    { reply: status(400), outcome: 'CLIENT_ERROR', says: 'scripted 400' },
    { reply: status(401), outcome: 'UPSTREAM_ERROR', says: 'refused the credential' },
    { reply: status(502, '<html>down</html>'), outcome: 'UPSTREAM_ERROR', says: 'is not an answer of this operation' },
    { reply: status(200, { choices: [] }), outcome: 'UPSTREAM_ERROR', says: 'is not an answer of this operation' },
  ]
  for (const { reply, outcome, says } of failures) {
    const released = Promise.withResolvers<void>()
    await using failing = await openUpstream({ script: () => after(released.promise, reply) })
    await using gateway = await openTestGateway({
      deployments: [deployment('failing', [failing.baseUrl])],
      routes: [route('chat', ['dep_failing'], { timeouts })],
    })
    const answer = await sample.send(gateway)
    const text = await readWith(answer, sign(operation), 1, released.resolve)
    const [event, ...others] = text.split('\n\n').filter((it) => it.startsWith('event: error'))
    expect(others).toEqual([])
    const data = JSON.parse(event!.replace('event: error\ndata: ', '')) as object
    expect(data).toMatchObject(errorOf(operation, says))
    expect(text).not.toContain('[DONE]')
    expect(gateway.records).toMatchObject([{ outcome, status: 200, tokens: null }])
  }
})

test('a client that leaves while it waits ends it all', async () => {
  await using failing = await openUpstream({ script: () => hang() })
  await using gateway = await openTestGateway({
    deployments: [deployment('failing', [failing.baseUrl])],
    routes: [route('chat', ['dep_failing'], { timeouts })],
  })
  const abort = new AbortController()
  const headers = { authorization: `Bearer ${gateway.key}`, 'content-type': 'application/json' }
  const body = JSON.stringify({ model: 'chat', messages: [], stream: true })
  const answer = await fetch(`${gateway.origin}/v1/chat/completions`, {
    method: 'POST',
    headers,
    body,
    signal: abort.signal,
  })
  expect(answer.status).toBe(200)
  abort.abort()
  await until(() => gateway.records.length === 1)
  expect(gateway.records).toMatchObject([{ outcome: 'CANCELLED' }])
  await until(() => gateway.gateway.live.totalInFlight === 0)
})

test('a plain request waits in silence', async () => {
  const released = Promise.withResolvers<void>()
  await using slow = await openUpstream({ script: () => after(released.promise, status(503)) })
  await using gateway = await openTestGateway({
    deployments: [deployment('slow', [slow.baseUrl])],
    routes: [route('chat', ['dep_slow'], { timeouts: { keepAliveMs: 1 } })],
  })
  const answering = gateway.post('/chat/completions', { model: 'chat', messages: [] })
  await until(() => slow.requests.length === 1)
  const streamed = await gateway.post('/chat/completions', { model: 'chat', messages: [], stream: true })
  // Meanwhile a stream that began later has had its signs of life.
  await readWith(streamed, ': keep-alive', 3, released.resolve)
  expect((await answering).status).toBe(503)
})

/** The error event in the client's protocol. */
function errorOf(operation: string, says: string): object {
  const message = expect.stringContaining(says) as string
  if (operation === '/v1/responses') return { type: 'error', message, sequence_number: 0 }
  return isMessages(operation) ? { type: 'error', error: { message } } : { error: { message } }
}

function contentOf(operation: string): (string | object)[] {
  switch (operation) {
    case '/v1/chat/completions':
      return [
        { choices: [{ index: 0, delta: { content: 'Hel' } }] },
        { choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] },
        'data: [DONE]\n\n',
      ]
    case '/v1/completions':
      return [{ choices: [{ index: 0, text: 'Hel', finish_reason: 'stop' }] }, 'data: [DONE]\n\n']
    case '/v1/responses':
      return [
        'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"Hel"}\n\n',
        'event: response.completed\ndata: {"type":"response.completed","response":{"status":"completed"}}\n\n',
      ]
    default:
      return [
        'event: content_block_delta\ndata: {"type":"content_block_delta","delta":{"text":"Hel"}}\n\n',
        'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"}}\n\n',
        'event: message_stop\ndata: {"type":"message_stop"}\n\n',
      ]
  }
}
