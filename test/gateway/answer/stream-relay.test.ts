import { expect, test } from 'vitest'
import { chunks, inPiecesOf, stream } from '../../support/replies.ts'
import { openUpstream } from '../../support/upstream.ts'
import { until } from '../../support/until.ts'
import { deployment, openTestGateway, route, type TestGateway } from '../support/open-test-gateway.ts'

const sse = { 'content-type': 'text/event-stream' }

async function openWith(baseUrl: string): Promise<TestGateway> {
  return await openTestGateway({ deployments: [deployment('a', [baseUrl])], routes: [route('chat', ['dep_a'])] })
}

const request = { model: 'chat', stream: true, messages: [] }
const asksUsage = { ...request, stream_options: { include_usage: true } }

const events = [
  ': comment ✓ of the upstream\r\n\r\n',
  'data: {"choices":[{"delta":{"role":"assistant"}}]}\r\n\r\n',
  'id: 1\r\nevent: x\r\ndata: {"choices":[{"delta":{"content":"h\u00e9 \u{1f642}"}}],\r\ndata: "unknown":9007199254740993}\r\n\r\n',
  ': in between\n\n',
  'data: {"choices":[{"delta":{},"finish_reason":"stop"}],"usage":null}\n\n',
  'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}\n\n',
  'data: [DONE]\n\n',
]
const bytes = Buffer.from(events.join(''))

test('a stream passes byte for byte, cut at every byte boundary', async () => {
  await using upstream = await openUpstream()
  await using gateway = await openWith(upstream.baseUrl)
  for (let cut = 0; cut < bytes.length; cut++) {
    const pieces = [bytes.subarray(0, cut), bytes.subarray(cut)].filter((piece) => piece.length > 0)
    upstream.answerNext(chunks(pieces, sse))
    const answer = await gateway.post('/chat/completions', asksUsage)
    expect({ cut, same: bytes.equals(Buffer.from(await answer.arrayBuffer())) }).toEqual({ cut, same: true })
  }
  expect(gateway.records.every((record) => record.outcome === 'OK')).toBe(true)
})

test('a stream passes byte for byte, one byte at a time, and without the usage that nobody asked for', async () => {
  await using upstream = await openUpstream()
  await using gateway = await openWith(upstream.baseUrl)
  for (const size of [1, 2, 3, 7]) {
    upstream.answerNext(chunks(inPiecesOf(size, bytes), sse), chunks(inPiecesOf(size, bytes), sse))
    expect(await (await gateway.post('/chat/completions', asksUsage)).text()).toBe(events.join(''))
    const without = events.filter((event) => !event.includes('prompt_tokens'))
    expect(await (await gateway.post('/chat/completions', request)).text()).toBe(without.join(''))
  }
})

test('each event is passed on when it arrives, not held for the next', async () => {
  const gates = events.map(() => Promise.withResolvers<void>())
  await using upstream = await openUpstream()
  await using gateway = await openWith(upstream.baseUrl)
  upstream.answerNext(stream(events, { beforeEvent: (index) => gates[index]!.promise }))
  const answering = gateway.post('/chat/completions', asksUsage)
  for (const gate of gates.slice(0, 3)) gate.resolve()
  const answer = await answering
  let text = ''
  const reading = (async () => {
    for await (const piece of answer.body!.pipeThrough(new TextDecoderStream())) text += piece
  })()
  for (let last = 3; last <= events.length; last++) {
    await until(() => text === events.slice(0, last).join(''), { what: `event ${last}` })
    gates[last]?.resolve()
  }
  await reading
})

test('an event that is longer than what is held comes in pieces, and the stream is whole', async () => {
  const long = `data: {"choices":[{"delta":{"content":"${'x'.repeat(300_000)}"}}]}\n\n`
  await using upstream = await openUpstream()
  await using gateway = await openWith(upstream.baseUrl)
  const all = Buffer.from(events[2]! + long + long + events.slice(4).join(''))
  upstream.answerNext(chunks(inPiecesOf(10_007, all), sse))
  const answer = await gateway.post('/chat/completions', asksUsage)
  expect(await answer.text()).toBe(all.toString())
  expect(gateway.records).toMatchObject([{ outcome: 'OK' }])
})

test('a stream that ends without its last event, but with a reason to finish, is whole', async () => {
  await using upstream = await openUpstream()
  await using gateway = await openWith(upstream.baseUrl)
  upstream.answerNext(chunks([bytes.subarray(0, bytes.indexOf('data: {"choices":[],"usage"'))], sse))
  const text = await (await gateway.post('/chat/completions', request)).text()
  expect(text).not.toContain('error')
  expect(gateway.records).toMatchObject([{ outcome: 'OK' }])
})

test('usage that nobody asked for is kept back and counted, in several lines and without its empty line', async () => {
  const last = 'data: {"choices": [\ndata: ],"usage":\ndata: {"prompt_tokens":3,\ndata: "completion_tokens":2}}\n'
  await using upstream = await openUpstream()
  await using gateway = await openWith(upstream.baseUrl)
  const before = bytes.subarray(0, bytes.indexOf('data: {"choices":[],"usage"'))
  for (const end of [last, `${last}\ndata: [DONE]\n\n`]) {
    upstream.answerNext(chunks([before, end], sse))
    const text = await (await gateway.post('/chat/completions', request)).text()
    expect(text).toBe(before.toString() + end.slice(last.length + 1))
  }
  const counted = { outcome: 'OK', provenance: 'REPORTED', tokens: { inputTokens: 3, outputTokens: 2 } }
  expect(gateway.records).toMatchObject([counted, counted])
})

test('the record is written before the last event goes out', async () => {
  const releases: (() => void)[] = []
  await using upstream = await openUpstream()
  await using gateway = await openTestGateway(
    { deployments: [deployment('a', [upstream.baseUrl])], routes: [route('chat', ['dep_a'])] },
    { append: (_, written) => void releases.push(written) },
  )
  upstream.answerNext(stream(events))
  const answer = await gateway.post('/chat/completions', asksUsage)
  let text = ''
  const reading = (async () => {
    for await (const piece of answer.body!.pipeThrough(new TextDecoderStream())) text += piece
  })()
  await until(() => releases.length === 1)
  await until(() => text.includes('finish_reason'))
  expect(text).not.toContain('[DONE]')
  releases[0]!()
  await reading
  expect(text.endsWith('data: [DONE]\n\n')).toBe(true)
  expect(releases).toHaveLength(1)
})

test('a slow reader holds its upstream back instead of filling memory', async () => {
  const event = `data: {"choices":[{"delta":{"content":"${'x'.repeat(8_000)}"}}]}\n\n`
  await using upstream = await openUpstream()
  await using gateway = await openWith(upstream.baseUrl)
  let sent = 0
  upstream.answerNext(
    stream(Array<string>(20_000).fill(event), {
      beforeEvent: (index) => {
        sent = index
        return undefined
      },
    }),
  )
  const leave = new AbortController()
  const answer = await fetch(`${gateway.origin}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${gateway.key}`, 'content-type': 'application/json' },
    body: JSON.stringify(request),
    signal: leave.signal,
  })
  let seen = -1
  const hasStopped = () => {
    const before = seen
    seen = sent
    return sent > 100 && sent === before
  }
  await until(hasStopped, { everyMs: 200 })
  expect(sent).toBeLessThan(5_000)
  expect(answer.status).toBe(200)
  leave.abort()
  await until(() => gateway.gateway.live.totalInFlight === 0)
})
