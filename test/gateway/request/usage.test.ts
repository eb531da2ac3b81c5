import { expect, test } from 'vitest'
import { noFurtherPrices } from '../../../src/routing/config/configuration.ts'
import { modelAnswer } from '../../support/model-answers.ts'
import { chunks, hang, inPiecesOf, status, stream } from '../../support/replies.ts'
import { openUpstream } from '../../support/upstream.ts'
import { until } from '../../support/until.ts'
import { deployment, openTestGateway, provider, route } from '../support/open-test-gateway.ts'

const pricing = { inputPerMillion: '2.5', outputPerMillion: '10', cachedInputPerMillion: '1.25', ...noFurtherPrices }
const usage = { inputTokens: 1000, outputTokens: 40, cachedInputTokens: 200, reasoningTokens: 7 }

function configuration(baseUrl: string) {
  const abilities = { operations: null, contextTokens: null }
  const models = [{ id: 'pmd_a', upstreamModel: 'm', categories: ['LLM'], pricing, ...abilities }] as const
  return { providers: [provider('a', baseUrl, { models })], routes: [route('chat', ['pmd_a'])] }
}

test.each([
  ['/chat/completions', { messages: [] }],
  ['/responses', { input: 'hi' }],
  ['/messages', { messages: [], max_tokens: 9 }],
])('%s: tokens are what upstream reports, plain and streamed, and their cost is exact', async (path, body) => {
  await using upstream = await openUpstream({ script: () => modelAnswer({ usage }) })
  await using gateway = await openTestGateway(configuration(upstream.baseUrl))
  for (const streams of [false, true]) {
    await (await gateway.post(path, { model: 'chat', ...body, stream: streams })).text()
    const reasoningTokens = path === '/messages' ? 0 : 7
    const record = gateway.records.at(-1)!
    expect(record).toMatchObject({
      outcome: 'OK',
      stream: streams,
      provenance: 'REPORTED',
      tokens: { ...usage, reasoningTokens },
      cost: '0.00265',
      providerName: 'a',
      deploymentName: null,
      userName: 'tester',
      apiKeyName: 'test key',
      routeRevision: 7,
    })
    expect(record.firstByteMs).toBeGreaterThan(0)
    expect(record.durationMs).toBeGreaterThanOrEqual(record.firstByteMs!)
    expect(record.overheadMs).toBeLessThanOrEqual(record.durationMs)
  }
  expect(gateway.traffic.filter(({ kind }) => kind === 'ended').map(({ end }) => end?.tokens?.outputTokens)).toEqual([
    40, 40,
  ])
})

const field = (name: string, value: string) =>
  `--b\r\ncontent-disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`
const form = (value: string) => `${field('stream', value)}${field('model', 'chat')}--b--\r\n`

test.each<[string, object | string, boolean]>([
  ['/chat/completions', { stream: true }, true],
  ['/chat/completions', {}, false],
  ['/chat/completions', { stream: 'true' }, false],
  ['/chat/completions', { stream_format: 'sse' }, false],
  ['/embeddings', { stream: true }, false],
  ['/messages/count_tokens', { stream: true }, false],
  ['/audio/speech', { stream_format: 'sse' }, true],
  ['/audio/speech', '{"model":"chat","stream\\u005fformat":"\\u0073se"}', true],
  ['/audio/speech', { stream_format: 'audio' }, false],
  ['/audio/speech', { stream_format: ['sse'] }, false],
  ['/audio/speech', { stream_format: 'sse'.repeat(1_000) }, false],
  ['/audio/speech', { stream: true }, false],
  ['/audio/transcriptions', form('true'), true],
  ['/audio/transcriptions', form('false'), false],
  ['/audio/translations', form('true'), false],
])('%s with %j: the record says whether a stream was asked for, whatever came', async (path, body, asked) => {
  await using upstream = await openUpstream()
  await using gateway = await openTestGateway(configuration(upstream.baseUrl))
  const events = ['data: {"choices":[{"delta":{"content":"x"}}]}\n\n', 'data: [DONE]\n\n']
  upstream.answerNext(stream(events), status(422), status(200, {}))
  const isForm = typeof body === 'string' && body.startsWith('--b')
  const headers = { 'content-type': isForm ? 'multipart/form-data; boundary=b' : 'application/json' }
  for (let i = 0; i < 3; i++)
    await (await gateway.post(path, typeof body === 'string' ? body : { model: 'chat', ...body }, headers)).text()
  expect(gateway.records.map((record) => [record.status, record.stream])).toEqual([
    [200, asked],
    [422, asked],
    [200, asked],
  ])
  expect(gateway.opened.map((request) => request.start().stream)).toEqual([asked, asked, asked])
})

const counts = { input_tokens: 36, output_tokens: 87, total_tokens: 123 }
const metadata = Object.fromEntries(Array.from({ length: 16 }, (_, i) => [`key${i}`, 'v'.repeat(512)]))
const response = { object: 'response', instructions: 'x'.repeat(5_000), output: [], usage: counts, metadata }
const named = (type: string, data: object) => `event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`
const delta = named('response.output_text.delta', { delta: 'Hello' })
const running = (tokens: number) =>
  `data: ${JSON.stringify({ usage: { prompt_tokens: 36, completion_tokens: tokens }, search_results: 'x'.repeat(7_000), choices: [{ delta: { content: 'word' } }] })}\n\n`
const block = named('content_block_delta', { delta: { type: 'text_delta', text: 'some words ' } })
const message = (last: object) =>
  named('message_start', { message: { usage: { input_tokens: 36, output_tokens: 1 } } }) +
  block.repeat(100) +
  named('message_delta', { delta: { stop_reason: 'end_turn' }, ...last }) +
  named('message_stop', {})
const edits = 'x'.repeat(5_000)
const chat = {
  usage: { prompt_tokens: 36, completion_tokens: 87 },
  choices: [{ message: { content: 'w '.repeat(10_000) } }],
}

test.each<[string, string, object, string]>([
  ['metadata behind it', '/responses', { input: 'hi' }, JSON.stringify(response)],
  [
    'metadata behind it in a stream',
    '/responses',
    { input: 'hi', stream: true },
    named('response.created', { response: { ...response, usage: null } }) +
      delta +
      named('response.completed', { response }),
  ],
  ['a long answer behind it', '/chat/completions', { messages: [] }, JSON.stringify(chat)],
  [
    'running counts and long events',
    '/chat/completions',
    { messages: [], stream: true },
    `${[1, 2, 3, 87].map(running).join('')}data: [DONE]\n\n`,
  ],
  [
    'much behind it in its event',
    '/messages',
    { messages: [], stream: true },
    message({ usage: { output_tokens: 87 }, context_management: { edits } }),
  ],
])('usage with %s is found however the answer was cut', async (_name, path, body, text) => {
  await using upstream = await openUpstream()
  await using gateway = await openTestGateway(configuration(upstream.baseUrl))
  const type = text.startsWith('{') ? 'application/json' : 'text/event-stream'
  const cuts = [[text], [text.slice(0, 1), text.slice(1)], inPiecesOf(1_000, text), inPiecesOf(90, text)]
  for (const pieces of cuts) {
    upstream.answerNext(chunks(pieces, { 'content-type': type }))
    await (await gateway.post(path, { model: 'chat', ...body })).text()
  }
  for (const record of gateway.records)
    expect(record).toMatchObject({ provenance: 'REPORTED', tokens: { inputTokens: 36, outputTokens: 87 } })
  expect(gateway.records).toHaveLength(cuts.length)
})

test('a streamed message whose end reports nothing has its input as reported, and its output estimated', async () => {
  await using upstream = await openUpstream()
  await using gateway = await openTestGateway(configuration(upstream.baseUrl))
  upstream.answerNext(chunks([message({})], { 'content-type': 'text/event-stream' }))
  await (await gateway.post('/messages', { model: 'chat', messages: [], stream: true })).text()
  const [record] = gateway.records
  expect(record).toMatchObject({ outcome: 'OK', provenance: 'ESTIMATED', tokens: { inputTokens: 36 } })
  expect(record!.tokens!.outputTokens).toBeGreaterThan(200)
})

test('rankings and embeddings without counts have no output, and tokens as a prompt count as what they are', async () => {
  await using upstream = await openUpstream()
  await using gateway = await openTestGateway(configuration(upstream.baseUrl))
  const results = [{ index: 0, document: { text: 'A document that the model was given, and did not write.' } }]
  for (const [path, body] of [
    ['/rerank', { query: 'a', documents: ['b'] }],
    ['/score', { text_1: 'a', text_2: 'b' }],
    ['/embeddings', { input: Array.from({ length: 500 }, (_, token) => token) }],
  ] as const) {
    upstream.answerNext(status(200, { results }))
    await gateway.post(path, { model: 'chat', ...body })
    expect(gateway.records.at(-1)).toMatchObject({ provenance: 'ESTIMATED', tokens: { outputTokens: 0 } })
  }
  expect(gateway.records.at(-1)!.tokens!.inputTokens).toBeGreaterThanOrEqual(500)
})

test('a stream that the client left, or that reports nothing, is counted and marked as estimated', async () => {
  const never = Promise.withResolvers<void>()
  const content = { choices: [{ delta: { content: 'some words of an answer' } }] }
  await using upstream = await openUpstream()
  await using gateway = await openTestGateway(configuration(upstream.baseUrl))
  const prompt = {
    model: 'chat',
    stream: true,
    messages: [{ role: 'user', content: 'twelve words or so '.repeat(20) }],
  }
  upstream.answerNext(stream([content, content], { beforeEvent: (index) => (index === 1 ? never.promise : undefined) }))
  const left = await gateway.post('/chat/completions', prompt)
  await left.body!.cancel()
  await until(() => gateway.records.length === 1)
  upstream.answerNext(stream([content, 'data: [DONE]\n\n']))
  await (await gateway.post('/chat/completions', prompt)).text()
  expect(gateway.records).toMatchObject([
    { outcome: 'CANCELLED', provenance: 'ESTIMATED' },
    { outcome: 'OK', provenance: 'ESTIMATED' },
  ])
  for (const { tokens } of gateway.records) {
    expect(tokens!.inputTokens).toBeGreaterThan(50)
    expect(tokens!.inputTokens).toBeLessThan(200)
    expect(tokens!.outputTokens).toBeGreaterThan(3)
  }
})

test('a long prompt is estimated from its beginning', async () => {
  await using upstream = await openUpstream({ script: () => status(200, { choices: [] }) })
  await using gateway = await openTestGateway(configuration(upstream.baseUrl))
  const content = 'These are some words of a long prompt.\n'.repeat(20_000)
  await gateway.post('/chat/completions', { model: 'chat', messages: [{ role: 'user', content }] })
  const { tokens, provenance } = gateway.records[0]!
  expect(provenance).toBe('ESTIMATED')
  expect(tokens!.inputTokens).toBeGreaterThan(content.length / 8)
  expect(tokens!.inputTokens).toBeLessThan(content.length / 2)
})

test('what failed has no tokens', async () => {
  await using upstream = await openUpstream({ script: () => status(500) })
  await using gateway = await openTestGateway(configuration(upstream.baseUrl))
  await gateway.post('/chat/completions', { model: 'chat', messages: [] })
  expect(gateway.records).toMatchObject([{ provenance: 'NONE', tokens: null, cost: null, firstByteMs: null }])
})

test('live traffic: each attempt begins once and ends once, and the request is counted where it was served', async () => {
  await using a = await openUpstream({ script: () => hang() })
  await using b = await openUpstream()
  await using gateway = await openTestGateway({
    deployments: [deployment('a', [a.baseUrl])],
    providers: [provider('b', b.baseUrl)],
    routes: [route('chat', ['dep_a'], { fallback: ['pmd_b'], timeouts: { answerMs: 50 } })],
  })
  await (await gateway.post('/chat/completions', { model: 'chat', messages: [] })).text()
  expect(gateway.traffic.map(({ kind, place }) => `${kind} ${place.backendId}`)).toEqual([
    'began dep_a',
    'left dep_a',
    'began pmd_b',
    'ended pmd_b',
  ])
  expect(gateway.traffic.at(-1)!.end).toMatchObject({
    outcome: 'OK_BY_FALLBACK',
    divergence: { reason: 'FALLBACK', targetId: 'tgt_chat_dep_a' },
  })
})

test.each<[string, object, string, string]>([
  ['/images/generations', { prompt: 'x' }, 'application/json', '{"created":1,"data":[{"url":"a"},{"url":"b"}]}'],
  ['/images/generations', { prompt: 'x', stream: true }, 'text/event-stream', named('image_generation.completed', {})],
  ['/audio/speech', { input: 'some words to say' }, 'audio/mpeg', 'ID3 \u0000\u0001'],
  ['/chat/completions', { messages: [] }, 'application/octet-stream', '\u0000\u0001 no JSON'],
])('%s with %j: what was not reported and is no text has no tokens, and no cost', async (path, body, type, text) => {
  await using upstream = await openUpstream({ script: () => chunks([text], { 'content-type': type }) })
  await using gateway = await openTestGateway(configuration(upstream.baseUrl))
  expect(await (await gateway.post(path, { model: 'chat', ...body })).text()).toBe(text)
  expect(gateway.records).toMatchObject([{ outcome: 'OK', provenance: 'NONE', tokens: null, cost: null }])
})

test('usage before 100 KB of anything else is reported, and nothing is invented', async () => {
  const counts = { prompt_tokens: 36, completion_tokens: 87, total_tokens: 123 }
  const logprobs = Array.from({ length: 2_000 }, (_, i) => ({ [i]: { logprob: -1.5, rank: 1, decoded_token: ' a"}' } }))
  const answer = JSON.stringify({ choices: [{ message: { content: 'Hi' } }], usage: counts, prompt_logprobs: logprobs })
  const [content, last] = [
    { choices: [{ index: 0, delta: { content: 'Hi' } }] },
    { choices: [], usage: counts, logprobs },
  ]
  const events = `data: ${JSON.stringify(content)}\n\ndata: ${JSON.stringify(last)}\n\ndata: [DONE]\n\n`
  await using upstream = await openUpstream()
  await using gateway = await openTestGateway(configuration(upstream.baseUrl))
  for (const [text, type] of [
    [answer, 'application/json'],
    [events, 'text/event-stream'],
  ] as const) {
    for (const size of [1_000, 70_000, 1_000_000]) {
      upstream.answerNext(chunks(inPiecesOf(size, text), { 'content-type': type }))
      await (await gateway.post('/chat/completions', { model: 'chat', messages: [], stream: text === events })).text()
      const tokens = { inputTokens: 36, outputTokens: 87 }
      expect(gateway.records.at(-1)).toMatchObject({ outcome: 'OK', provenance: 'REPORTED', tokens })
    }
  }
})
