/** How streams end: whole, with upstream's own error, or broken off. */
import { expect, test } from 'vitest'
import { chunks, raw } from '../../support/replies.ts'
import { openUpstream } from '../../support/upstream.ts'
import { until } from '../../support/until.ts'
import {
  deployment,
  openTestGateway,
  route,
  type TestGateway,
  type TestGatewayOptions,
} from '../support/open-test-gateway.ts'

const sse = { 'content-type': 'text/event-stream' }

async function openWith(baseUrl: string, options: TestGatewayOptions = {}): Promise<TestGateway> {
  const configuration = { deployments: [deployment('a', [baseUrl])], routes: [route('chat', ['dep_a'])] }
  return await openTestGateway(configuration, options)
}

const requests: Readonly<Record<string, object>> = {
  '/chat/completions': { model: 'chat', stream: true, messages: [], stream_options: { include_usage: true } },
  '/responses': { model: 'chat', stream: true, input: 'hi' },
  '/messages': { model: 'chat', stream: true, max_tokens: 9, messages: [] },
}

const data = (value: object) => `data: ${JSON.stringify(value)}\n\n`
const named = (type: string, rest: object = {}) => `event: ${type}\n${data({ type, ...rest })}`
const unnamed = (type: string, rest: object = {}) => data({ type, ...rest })
const done = 'data: [DONE]\n\n'

const choice = (index: number, finish_reason: string | null) =>
  data({ choices: [{ index, delta: { content: 'x' }, finish_reason }] })
const tokens = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 }
const usage = data({ choices: [], usage: tokens })
const finished = choice(0, null) + choice(0, 'stop')

const hello = named('response.output_text.delta', { delta: 'hello' })
const response = (size: number) => ({
  response: { error: null, output: [{ type: 'message', text: 'x'.repeat(size) }], usage: { total_tokens: 5 } },
})
const completed = named('response.completed', response(10))

const begun =
  named('message_start', { message: { usage: { input_tokens: 3, output_tokens: 1 } } }) +
  named('content_block_delta', { delta: { text: 'hello' } })
const stop = named('message_stop')
const metrics = { 'amazon-bedrock-invocationMetrics': { inputTokenCount: 12, outputTokenCount: 345, latency: 1234 } }

test.each<[string, string, readonly string[]]>([
  ['/chat/completions', 'an error that is null', [data({ choices: [], error: null }) + finished, done]],
  ['/chat/completions', 'talk of errors and of [DONE]', [data({ choices: [{ text: '[DONE] "error"' }] }), done]],
  ['/chat/completions', 'a reason in the first packet, then usage', [finished, usage]],
  ['/chat/completions', '[DONE] without its empty line', [finished, 'data: [DONE]\n']],
  ['/chat/completions', '[DONE] without its empty line, and no reason', [choice(0, null), 'data: [DONE]\n']],
  ['/chat/completions', '[DONE] without any line end, and no reason', [choice(0, null), 'data: [DONE]']],
  ['/chat/completions', '[DONE] with a blank behind it', [choice(0, null), 'data: [DONE] \n\n']],
  ['/chat/completions', '[DONE] and a comment in one packet', [choice(0, null), `${done}: bye\n\n`]],
  ['/chat/completions', 'two choices, both finished', [choice(0, 'stop') + choice(1, null), choice(1, 'length')]],
  ['/responses', 'all in one packet', [hello + completed]],
  ['/responses', 'a last event and [DONE] in one packet', [hello, completed + done]],
  ['/responses', 'a last event without its empty line', [hello, completed.slice(0, -1)]],
  ['/responses', 'a last event of 200 KB', [hello, named('response.completed', response(200_000))]],
  ['/responses', 'a last event of 2 MB and [DONE]', [hello, named('response.completed', response(2_000_000)) + done]],
  ['/responses', 'a long last event without a name', [hello, unnamed('response.completed', response(200_000))]],
  [
    '/responses',
    'a long last event whose number comes first',
    [hello, data({ sequence_number: 7, type: 'response.incomplete', ...response(200_000) })],
  ],
  ['/responses', 'a long event that is not the last', [named('image', response(200_000)) + hello, completed]],
  ['/messages', 'a long message_stop', [begun, named('message_stop', metrics)]],
  ['/messages', 'message_stop and a comment in one packet', [begun, `${stop}: bye\n\n`]],
  ['/messages', 'message_stop and a ping in one packet', [begun, stop + named('ping')]],
  ['/messages', 'message_stop and [DONE] in one packet', [begun, stop + done]],
])('%s: a stream is whole with %s', async (path, _, pieces) => {
  await using upstream = await openUpstream({ script: () => chunks(pieces, sse) })
  await using gateway = await openWith(upstream.baseUrl)
  const text = await (await gateway.post(path, requests[path]!)).text()
  expect(text === pieces.join('') ? 'as it came' : text.slice(-300)).toBe('as it came')
  expect(gateway.records).toMatchObject([{ outcome: 'OK' }])
  expect(gateway.gateway.live.healthOf('end_a_0')!.consecutiveFailures).toBe(0)
})

test.each<[string, string, readonly string[]]>([
  ['/responses', 'its last event and [DONE] come in one packet', [hello, completed + done]],
  ['/responses', 'its last event is long', [hello, named('response.completed', response(200_000))]],
  ['/messages', 'a ping follows in the same packet', [begun, stop + named('ping')]],
  ['/chat/completions', 'upstream ends it with an error', [choice(0, null), data({ error: { code: 500 } })]],
])('%s: the record is written before a stream ends for its client, also if %s', async (path, _, pieces) => {
  const releases: (() => void)[] = []
  await using upstream = await openUpstream({ script: () => chunks(pieces, sse) })
  await using gateway = await openWith(upstream.baseUrl, { append: (_record, written) => void releases.push(written) })
  const answer = await gateway.post(path, requests[path]!)
  let text = ''
  const reading = (async () => {
    for await (const piece of answer.body!.pipeThrough(new TextDecoderStream())) text += piece
  })()
  await until(() => releases.length === 1)
  await until(() => text.includes(pieces[0]!))
  const lastEvent = pieces.at(-1)!.split('\n\n')[0]!
  expect(text.includes(`${lastEvent}\n\n`)).toBe(false)
  releases[0]!()
  await reading
  expect(text === pieces.join('')).toBe(true)
})

const failed = { response: { status: 'failed', error: { code: 'server_error', message: 'theirs' } } }

test.each<[string, string, readonly string[]]>([
  ['/chat/completions', 'an error', [choice(0, null), data({ error: { message: 'theirs' } })]],
  ['/chat/completions', 'an error, then [DONE]', [choice(0, null), data({ error: { message: 'theirs' } }), done]],
  ['/chat/completions', 'a named error and usage', [choice(0, null) + 'event: error\ndata: theirs\n\n' + usage]],
  ['/responses', 'response.failed', [hello, named('response.failed', failed)]],
  ['/responses', 'an error, then [DONE]', [hello, unnamed('error', { code: 'x', message: 'theirs' }) + done]],
  ['/messages', 'an error', [begun, named('error', { error: { type: 'overloaded_error', message: 'theirs' } })]],
])('%s: a stream that upstream ends with %s passes as it is, and is truncated', async (path, _, pieces) => {
  await using upstream = await openUpstream({ script: () => chunks(pieces, sse) })
  await using gateway = await openWith(upstream.baseUrl)
  expect(await (await gateway.post(path, requests[path]!)).text()).toBe(pieces.join(''))
  expect(gateway.records).toMatchObject([{ outcome: 'TRUNCATED', status: 200, provenance: 'ESTIMATED' }])
  const health = gateway.gateway.live.healthOf('end_a_0')!
  expect(health).toMatchObject({ consecutiveFailures: 1, lastError: 'error event' })
})

test('an error that the client caused is its own wherever it stands in a stream', async () => {
  const error = data({ error: { message: 'no such voice', type: 'invalid_request_error', code: 'invalid_value' } })
  await using upstream = await openUpstream()
  await using gateway = await openWith(upstream.baseUrl)
  for (const before of ['', choice(0, null)]) {
    upstream.answerNext(chunks([before + error, done], sse))
    const answer = await gateway.post('/chat/completions', requests['/chat/completions']!)
    expect(await answer.text()).toBe(before + error + done)
  }
  expect(gateway.records).toMatchObject([
    { outcome: 'CLIENT_ERROR', status: 200, tokens: null },
    { outcome: 'TRUNCATED', status: 200, provenance: 'ESTIMATED' },
  ])
  expect(gateway.gateway.live.healthOf('end_a_0')!.consecutiveFailures).toBe(0)
})

const head = 'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n'

test.each<[string, string, readonly string[]]>([
  ['/chat/completions', 'while a choice has not finished', [choice(0, null), choice(0, 'stop') + choice(1, null)]],
  ['/chat/completions', 'with reasons that say nothing', [choice(0, ''), choice(0, '')]],
  ['/responses', 'inside its last event', [hello, completed.slice(0, -40)]],
  ['/responses', 'inside its last event, which is long', [hello, completed.slice(0, -40).padEnd(200_000, 'x')]],
])('%s: a stream that its connection ends %s is broken off', async (path, _, pieces) => {
  await using upstream = await openUpstream({ script: () => raw([head, ...pieces]) })
  await using gateway = await openWith(upstream.baseUrl)
  const text = await (await gateway.post(path, requests[path]!)).text()
  expect(text.split('\n\n').at(-2)).toMatch(/^event: error\ndata: .*upstream_truncated/)
  expect(gateway.records).toMatchObject([{ outcome: 'TRUNCATED' }])
})

const hostile = [
  'data: {"type":{"toString":1,"valueOf":1}}\n\n',
  'data: {"error":{"code":{"toString":1,"valueOf":1}}}\n\n',
  'event: error\ndata: {"error":{"code":"__proto__","type":"constructor"}}\n\n',
  'event: error\ndata: {"code":["500"],"response":{"error":[]}}\n\n',
  'event: constructor\ndata: {"type":"error","error":"error"}\n\n',
  'data: null\n\ndata: ["error"]\n\ndata\n\n:\n\n\n\n',
  `data: "error"${'['.repeat(50_000)}\n\n`,
]

test.each(Object.keys(requests))('%s: whatever an upstream writes, its stream comes to an end', async (path) => {
  const content = { '/responses': hello, '/messages': begun }[path] ?? choice(0, null)
  await using upstream = await openUpstream()
  await using gateway = await openWith(upstream.baseUrl)
  for (const event of hostile) {
    for (const pieces of [[event], [content, event], [content + event + content]]) {
      upstream.answerNext(chunks(pieces, sse))
      const answer = await gateway.post(path, requests[path]!)
      await answer.text()
      expect(gateway.records.at(-1)).not.toMatchObject({ outcome: 'OK' })
    }
  }
  await until(() => gateway.gateway.live.totalInFlight === 0)
  expect(gateway.logs.filter(({ level }) => level === 'error')).toEqual([])
})

test('what throws while an answer is read ends that request, and no other', async () => {
  let isBroken = true
  await using upstream = await openUpstream({ script: () => chunks([finished, done], sse) })
  await using gateway = await openWith(upstream.baseUrl, {
    append: (_record, written) => {
      if (isBroken) throw new Error('no room for records')
      written()
    },
  })
  const ask = async () => await (await gateway.post('/chat/completions', requests['/chat/completions']!)).text()
  await expect(ask()).rejects.toThrow('terminated')
  await until(() => gateway.gateway.live.totalInFlight === 0 && gateway.gateway.inFlight === 0)
  expect(gateway.logs).toMatchObject([{ level: 'error', fields: { err: { message: 'no room for records' } } }])
  isBroken = false
  expect(await ask()).toBe(finished + done)
})

const delta = (sequence_number: number, delta: string) =>
  named('response.output_text.delta', { sequence_number, delta })
const quoted = JSON.stringify('{"sequence_number":99}')

test.each<[string, number, readonly string[]]>([
  ['the number behind the last', 8, [delta(6, 'a') + delta(7, 'b')]],
  ['a number behind that of all its packets', 12, [delta(0, 'a'), delta(11, 'b'.repeat(3_000))]],
  ['none of what is quoted', 4, [delta(3, quoted)]],
  ['none of an event that did not end', 4, [delta(3, 'a'), delta(4, 'b').trimEnd().slice(0, -9)]],
  ['none of a long event that did not end', 4, [delta(3, 'a'), delta(4, 'b'.repeat(30_000)).trimEnd()]],
  ['a number in a long stream', 301, [Array.from({ length: 301 }, (_, i) => delta(i, 'a')).join('')]],
  ['0 if there was none', 0, [hello]],
])('the error behind a stream of responses has %s: %i', async (_, expected, pieces) => {
  await using upstream = await openUpstream({ script: () => chunks(pieces, sse) })
  await using gateway = await openWith(upstream.baseUrl)
  const text = await (await gateway.post('/responses', requests['/responses']!)).text()
  const event = JSON.parse(text.slice(text.lastIndexOf('data: ') + 'data: '.length)) as unknown
  const rest = { message: expect.any(String), param: null }
  expect(event).toEqual({ type: 'error', code: 'upstream_truncated', sequence_number: expected, ...rest })
})

const half = choice(0, 'stop').slice(0, -20)

test.each<[string, string, string]>([
  ['its finishing event', choice(0, null) + half, choice(0, null)],
  ['the event behind its last', finished + usage.slice(0, -20), finished],
])(
  'a stream that stops inside %s has no half event in it, and is whole only if it had finished',
  async (_, sent, kept) => {
    await using upstream = await openUpstream({ script: () => chunks([sent], sse) })
    await using gateway = await openWith(upstream.baseUrl)
    const body = { ...requests['/chat/completions'], stream_options: { include_usage: true } }
    const text = await (await gateway.post('/chat/completions', body)).text()
    const isWhole = kept === finished
    expect(text.startsWith(kept)).toBe(true)
    expect(text.slice(kept.length)).toMatch(isWhole ? /^$/ : /^event: error\ndata: \{.*\}\n\n$/)
    expect(gateway.records).toMatchObject([{ outcome: isWhole ? 'OK' : 'TRUNCATED' }])
  },
)
