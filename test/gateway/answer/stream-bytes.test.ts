/** What bytes a client gets of a stream: all that upstream sent, but for the usage that only the gateway asked for. */
import { expect, test } from 'vitest'
import { after, chunks, raw, stream } from '../../support/replies.ts'
import { until } from '../../support/until.ts'
import { openUpstream } from '../../support/upstream.ts'
import { deployment, openTestGateway, provider, route, type TestGateway } from '../support/open-test-gateway.ts'

const sse = { 'content-type': 'text/event-stream' }
const head = 'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n'

async function openWith(baseUrl: string): Promise<TestGateway> {
  return await openTestGateway({ deployments: [deployment('a', [baseUrl])], routes: [route('chat', ['dep_a'])] })
}

const requests: Readonly<Record<string, object>> = {
  '/chat/completions': { model: 'chat', stream: true, messages: [] },
  '/responses': { model: 'chat', stream: true, input: 'hi' },
  '/messages': { model: 'chat', stream: true, max_tokens: 9, messages: [] },
  '/images/generations': { model: 'chat', stream: true, prompt: 'x', n: 2 },
}
const asksUsage = { ...requests['/chat/completions'], stream_options: { include_usage: true } }

const data = (value: object) => `data: ${JSON.stringify(value)}\n\n`
const named = (type: string, rest: object = {}) => `event: ${type}\n${data({ type, ...rest })}`
const done = 'data: [DONE]\n\n'
const choice = (index: number, finish_reason: string | null, content = 'x') =>
  data({ choices: [{ index, delta: { content }, finish_reason }] })
const finishedNever = choice(0, null)
const finished = choice(0, null) + choice(0, 'stop')
const tokens = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 }

/** Sends these pieces as HTTP chunks, then breaks the connection. */
const broken = (pieces: readonly string[]) =>
  raw([head, ...pieces.map((piece) => `${Buffer.byteLength(piece).toString(16)}\r\n${piece}\r\n`)])

test.each<[string, string, string]>([
  ['is empty in a list', data({ choices: [], usage: tokens }), ''],
  ['is empty, and it has no count,', data({ choices: [], usage: {} }) + data({ choices: [], usage: tokens }), ''],
  ['is absent', data({ usage: tokens }), ''],
  ['is null', data({ id: 'x', choices: null, usage: tokens }), ''],
  [
    'is empty, beside what each chunk has',
    data({ id: 'x', object: 'y', created: 1, model: 'm', choices: [], usage: tokens }),
    '',
  ],
  ['has an id and a time to wait', `id: 7\nretry: 5\n${data({ choices: [], usage: tokens })}`, 'id: 7\nretry: 5\n\n'],
  [
    'has timings beside it',
    data({ choices: [], usage: tokens, timings: { predicted_ms: 9007199254740993n.toString() } }),
    data({ choices: [], timings: { predicted_ms: '9007199254740993' } }),
  ],
  [
    'has numbers that no double holds beside it',
    'id: 1\r\ndata: {"usage": {"total_tokens": 5} , "timings":{"n":9007199254740993,"x":1e400}, "choices":[]}\r\n\r\n',
    'id: 1\r\ndata: { "timings":{"n":9007199254740993,"x":1e400}, "choices":[]}\r\n\r\n',
  ],
  [
    'has citations behind it, in several lines',
    'data: {"choices": [\ndata: ],"usage":\ndata: {"total_tokens":5},\ndata: "citations":["a"]}\n\n',
    'data: {"choices": [\ndata: ],\ndata: "citations":["a"]}\n\n',
  ],
])('usage that nobody asked for is kept back where its choice %s', async (_, event, expected) => {
  await using upstream = await openUpstream({ script: () => chunks([finished + event, done], sse) })
  await using gateway = await openWith(upstream.baseUrl)
  const text = await (await gateway.post('/chat/completions', requests['/chat/completions']!)).text()
  expect(text).toBe(finished + expected + done)
  expect(await (await gateway.post('/chat/completions', asksUsage)).text()).toBe(finished + event + done)
  expect(gateway.records).toMatchObject([
    { outcome: 'OK', provenance: 'REPORTED' },
    { outcome: 'OK', provenance: 'REPORTED' },
  ])
})

const toolCall = {
  index: 0,
  delta: { tool_calls: [{ function: { arguments: { choices: [], usage: { x_tokens: 1 } } } }] },
}

test.each<[string, string]>([
  ['a tool call whose arguments look like usage', data({ choices: [toolCall] })],
  [
    'a delta with an empty list of choices',
    data({ choices: [{ delta: { content: 'x', choices: [] } }], usage: tokens }),
  ],
  ['a text that looks like usage', data({ choices: [{ delta: { content: '"choices":[],"usage":{"x_tokens":1}' } }] })],
  ['usage beside a choice', data({ choices: [{ index: 0, delta: { content: 'x' } }], usage: tokens })],
])('%s is content, and reaches the client', async (_, event) => {
  const all = choice(0, null) + event + choice(0, 'stop') + done
  await using upstream = await openUpstream({ script: () => chunks([all], sse) })
  await using gateway = await openWith(upstream.baseUrl)
  expect(await (await gateway.post('/chat/completions', requests['/chat/completions']!)).text()).toBe(all)
})

test.each<[string, string]>([
  ['beside an empty list of choices', data({ choices: [], error: { message: 'theirs' }, usage: tokens })],
  ['by its type alone', data({ type: 'error', choices: [], usage: tokens })],
  ['by the name of its event', `event: error\n${data({ choices: [], usage: tokens })}`],
])('an error with usage in its event, %s, reaches the client, and the stream is not whole', async (_, event) => {
  const all = choice(0, null) + event
  await using upstream = await openUpstream({ script: () => chunks([all, done], sse) })
  await using gateway = await openWith(upstream.baseUrl)
  expect(await (await gateway.post('/chat/completions', requests['/chat/completions']!)).text()).toBe(all + done)
  expect(gateway.records).toMatchObject([{ outcome: 'TRUNCATED' }])
})

test('an empty error is none, and a chunk with a message instead of a delta is an answer', async () => {
  const all = data({
    error: {},
    choices: [{ index: 0, message: { role: 'assistant', content: 'x' }, finish_reason: null }],
  })
  await using upstream = await openUpstream()
  await using spare = await openUpstream({ name: 'spare' })
  await using gateway = await openTestGateway({
    deployments: [deployment('a', [upstream.baseUrl])],
    providers: [provider('spare', spare.baseUrl)],
    routes: [route('chat', ['dep_a'], { fallback: ['pmd_spare'] })],
  })
  const gate = Promise.withResolvers<void>()
  upstream.answerNext(
    stream([all, choice(0, 'stop'), done], { beforeEvent: (index) => (index === 1 ? gate.promise : undefined) }),
  )
  // It is an answer, or the head would wait for what the gate holds back.
  const answer = await gateway.post('/chat/completions', requests['/chat/completions']!)
  gate.resolve()
  expect(await answer.text()).toBe(all + choice(0, 'stop') + done)
  expect(gateway.records).toMatchObject([{ outcome: 'OK' }])
})

test.each<[string, string, readonly string[]]>([
  [
    '/chat/completions',
    'usage with a reason that is null behind the end',
    [finished, data({ choices: [{ index: 0, delta: {}, finish_reason: null }], usage: tokens })],
  ],
  [
    '/chat/completions',
    'reasons of all choices, one of them long ago',
    [choice(1, null) + finished, choice(1, null).repeat(500), choice(1, 'length')],
  ],
  [
    '/chat/completions',
    'choices without numbers',
    [data({ choices: [{ delta: { content: 'x' } }] }), data({ choices: [{ finish_reason: 'stop' }] })],
  ],
  ['/chat/completions', 'choices with numbers from one on', [choice(1, null), choice(1, 'stop')]],
  [
    '/chat/completions',
    'tools that are called beside each other',
    [
      choice(0, null),
      data({ choices: [{ index: 0, delta: { tool_calls: [{ index: 1, function: { name: 'f' } }] } }] }),
      choice(0, 'tool_calls'),
    ],
  ],
  [
    '/messages',
    'a reason to stop, and no message_stop',
    [
      named('content_block_delta', { delta: { text: 'x' } }),
      named('message_delta', { delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 1 } }),
    ],
  ],
  [
    '/responses',
    'that it was cancelled',
    [
      named('response.output_text.delta', { delta: 'x' }),
      named('response.cancelled', { response: { status: 'cancelled' } }),
    ],
  ],
  [
    '/responses',
    'that it is incomplete',
    [named('response.output_text.delta', { delta: 'x' }), named('response.incomplete', { response: {} })],
  ],
])('%s: a stream that says %s is whole, closed in good order or broken off', async (path, _, pieces) => {
  await using upstream = await openUpstream()
  await using gateway = await openWith(upstream.baseUrl)
  const body = path === '/chat/completions' ? asksUsage : requests[path]!
  for (const reply of [chunks(pieces, sse), broken(pieces)]) {
    upstream.answerNext(reply)
    expect(await (await gateway.post(path, body)).text()).toBe(pieces.join(''))
    expect(gateway.records.at(-1)).toMatchObject({ outcome: 'OK' })
  }
})

const image = (type: string, bytes: number) => named(`image_generation.${type}`, { b64_json: 'iVBO'.repeat(bytes / 4) })

test.each<[string, string, readonly string[]]>([
  [
    '/chat/completions',
    'one choice never finished beside one that did',
    [choice(0, null) + choice(1, null), choice(0, 'stop')],
  ],
  [
    '/chat/completions',
    'the first choice never finished beside another',
    [choice(0, null) + choice(1, null), choice(1, 'stop')],
  ],
  [
    '/chat/completions',
    'a choice that began late never finished',
    [choice(0, null).repeat(80), choice(1, null), choice(0, 'stop')],
  ],
  ['/chat/completions', 'another choice stops in its first event', [finished, choice(1, null).slice(0, -9)]],
  ['/images/generations', 'the second image stops in its parts', [image('completed', 40), image('partial_image', 40)]],
  [
    '/images/generations',
    'the second image stops in its event',
    [image('completed', 40), image('completed', 4_000).slice(0, -60)],
  ],
  [
    '/images/generations',
    'the second image stops in its long event',
    [image('completed', 100_000), image('completed', 200_000).slice(0, -60)],
  ],
])('%s: a stream is broken off if %s', async (path, _, pieces) => {
  await using upstream = await openUpstream({ script: () => chunks(pieces, sse) })
  await using gateway = await openWith(upstream.baseUrl)
  const text = await (await gateway.post(path, requests[path]!)).text()
  expect(text.split('\n\n').at(-2)).toMatch(/^event: error\ndata: .*upstream_truncated/)
  expect(gateway.records).toMatchObject([{ outcome: 'TRUNCATED' }])
})

test.each<[string, string, readonly string[]]>([
  [
    '/responses',
    'a last event over 64 KiB',
    [named('response.completed', { response: { output: 'x'.repeat(200_000) } }).trimEnd()],
  ],
  [
    '/images/generations',
    'a last image over 64 KiB',
    [image('completed', 100_000), image('completed', 200_000).trimEnd()],
  ],
  [
    '/images/generations',
    'a last image over 64 KiB and half an empty line',
    [`${image('completed', 200_000).trimEnd()}\n`],
  ],
  ['/chat/completions', 'what follows the end', [finished + done, ': bye']],
  ['/chat/completions', 'what follows the end in its packet', [`${finished + done}data: {"x":1}`]],
])('%s: %s without its empty line passes as it came', async (path, _, pieces) => {
  const all = [path === '/responses' ? named('response.output_text.delta', { delta: 'x' }) : '', ...pieces]
  await using upstream = await openUpstream({ script: () => chunks(all, sse) })
  await using gateway = await openWith(upstream.baseUrl)
  const text = await (await gateway.post(path, requests[path]!)).text()
  expect(text === all.join('') ? 'as it came' : text.slice(-300)).toBe('as it came')
  expect(gateway.records).toMatchObject([{ outcome: 'OK' }])
})

test('a comment does not overtake an image that may be the last', async () => {
  const pieces = [`${image('completed', 40)}: ping\n`, image('completed', 40)]
  await using upstream = await openUpstream({ script: () => chunks(pieces, sse) })
  await using gateway = await openWith(upstream.baseUrl)
  const text = await (await gateway.post('/images/generations', requests['/images/generations']!)).text()
  expect(text).toBe(pieces.join(''))
})

test('a long event that lacks its empty line does not swallow the error behind it', async () => {
  const event = choice(0, null, 'x'.repeat(100_000))
  await using upstream = await openUpstream({ script: () => chunks([finishedNever, event.trimEnd()], sse) })
  await using gateway = await openWith(upstream.baseUrl)
  const text = await (await gateway.post('/chat/completions', asksUsage)).text()
  expect(
    text.startsWith(`${finishedNever}${event}event: error\ndata: `) ? 'an event of its own' : text.slice(-300),
  ).toBe('an event of its own')
  expect(gateway.records).toMatchObject([{ outcome: 'TRUNCATED' }])
})

test('an empty line that ends with a carriage return ends the last event', async () => {
  const event = choice(0, null).replaceAll('\n', '\r\n')
  await using upstream = await openUpstream({ script: () => chunks([event, event.slice(0, -1)], sse) })
  await using gateway = await openWith(upstream.baseUrl)
  const text = await (await gateway.post('/chat/completions', requests['/chat/completions']!)).text()
  expect(text).toMatch(/^event: error$/m)
  expect(text.startsWith(event + event.slice(0, -1))).toBe(true)
})

test('what follows the end of a stream passes though the connection breaks there', async () => {
  const pieces = [finished + done, 'data: {"x":1}']
  await using upstream = await openUpstream({ script: () => broken(pieces) })
  await using gateway = await openWith(upstream.baseUrl)
  expect(await (await gateway.post('/chat/completions', asksUsage)).text()).toBe(pieces.join(''))
  expect(gateway.records).toMatchObject([{ outcome: 'OK' }])
})

test('usage behind the end is kept back, though its event lacks its empty line', async () => {
  const usage = data({ choices: [], usage: tokens }).trimEnd()
  await using upstream = await openUpstream({ script: () => chunks([finished + done, usage], sse) })
  await using gateway = await openWith(upstream.baseUrl)
  expect(await (await gateway.post('/chat/completions', requests['/chat/completions']!)).text()).toBe(finished + done)
  expect(await (await gateway.post('/chat/completions', asksUsage)).text()).toBe(finished + done + usage)
})

test('an image that came is whole though the stream stops in its last mark', async () => {
  const pieces = [image('completed', 40), done.slice(0, -5)]
  await using upstream = await openUpstream({ script: () => chunks(pieces, sse) })
  await using gateway = await openWith(upstream.baseUrl)
  expect(await (await gateway.post('/images/generations', requests['/images/generations']!)).text()).toBe(pieces[0])
  expect(gateway.records).toMatchObject([{ outcome: 'OK' }])
})

test('each image goes out when it has come, though another may follow', async () => {
  const gate = Promise.withResolvers<void>()
  const events = [image('completed', 400), image('completed', 800)]
  await using upstream = await openUpstream()
  await using gateway = await openWith(upstream.baseUrl)
  upstream.answerNext(stream(events, { beforeEvent: (index) => (index === 1 ? gate.promise : undefined) }))
  const answer = await gateway.post('/images/generations', requests['/images/generations']!)
  let text = ''
  const reading = (async () => {
    for await (const piece of answer.body!.pipeThrough(new TextDecoderStream())) text += piece
  })()
  await until(() => text === events[0])
  gate.resolve()
  await reading
  expect(text).toBe(events.join(''))
  expect(gateway.records).toMatchObject([{ outcome: 'OK' }])
})

test('a heartbeat of one line is passed on when it arrives', async () => {
  const beats = [': ping\n', ':\r\n', '\n', ': a\n: b\n']
  const gates = beats.map(() => Promise.withResolvers<void>())
  const events = [choice(0, null), ...beats, finished + done]
  await using upstream = await openUpstream()
  await using gateway = await openWith(upstream.baseUrl)
  upstream.answerNext(stream(events, { beforeEvent: (index) => gates[index - 2]?.promise }))
  const answer = await gateway.post('/chat/completions', requests['/chat/completions']!)
  let text = ''
  const reading = (async () => {
    for await (const piece of answer.body!.pipeThrough(new TextDecoderStream())) text += piece
  })()
  for (let count = 1; count <= beats.length; count++) {
    await until(() => text === events.slice(0, count + 1).join(''), { what: `heartbeat ${count}` })
    gates[count - 1]!.resolve()
  }
  await reading
  expect(text).toBe(events.join(''))
})

test('a byte order mark behind signs of life is none of a field', async () => {
  const gate = Promise.withResolvers<void>()
  await using upstream = await openUpstream()
  await using gateway = await openTestGateway({
    deployments: [deployment('a', [upstream.baseUrl])],
    routes: [route('chat', ['dep_a'], { timeouts: { keepAliveMs: 20 } })],
  })
  upstream.answerNext(after(gate.promise, chunks([`\uFEFF${finished}`, done], sse)))
  const answer = await gateway.post('/chat/completions', requests['/chat/completions']!)
  gate.resolve()
  const text = Buffer.from(await answer.arrayBuffer()).toString()
  expect(text.replaceAll(': keep-alive\n\n', '')).toBe(finished + done)
})

test('what is kept of a stream that failed has no half event at its end', async () => {
  const error = data({ error: { message: 'busy', code: 503 } })
  await using upstream = await openUpstream()
  await using gateway = await openWith(upstream.baseUrl)
  upstream.answerNext(chunks([`${error}data: {"choices":[{"delta":{"con`], sse), chunks([error.trimEnd()], sse))
  const ask = async () => await (await gateway.post('/chat/completions', requests['/chat/completions']!)).text()
  expect(await ask()).toBe(error)
  expect(await ask()).toBe(error.trimEnd())
})

test('the error behind a stream of responses has its number, also behind a long event', async () => {
  const event = (sequence_number: number, size: number) =>
    named('response.output_text.delta', { sequence_number, delta: 'x'.repeat(size) })
  await using upstream = await openUpstream()
  await using gateway = await openWith(upstream.baseUrl)
  for (const size of [1, 5_000, 30_000, 60_000, 100_000, 300_000]) {
    const stops = [event(3, 1), event(4, size)]
    const half = event(5, size).slice(0, -30)
    for (const pieces of [stops, [...stops, half], [event(3, 1), event(4, 1) + half]]) {
      upstream.answerNext(chunks(pieces, sse))
      const text = await (await gateway.post('/responses', requests['/responses']!)).text()
      const last = text.slice(text.lastIndexOf('data: ') + 'data: '.length)
      expect({ size, pieces: pieces.length, error: JSON.parse(last) as unknown }).toMatchObject({
        size,
        error: { sequence_number: 5 },
      })
    }
  }
})
