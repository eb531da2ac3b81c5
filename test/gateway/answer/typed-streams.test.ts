/** Streams of images, speech and transcriptions, whose events name their types: where they end, and when they ended early. */
import { expect, test } from 'vitest'
import { chunks, inPiecesOf } from '../../support/replies.ts'
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

const field = (name: string, value: string) =>
  `--b\r\ncontent-disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`
const form = `${field('model', 'chat')}${field('stream', 'true')}--b--\r\n`

async function ask(gateway: TestGateway, path: string): Promise<Response> {
  if (path === '/audio/transcriptions')
    return await gateway.post(path, form, { 'content-type': 'multipart/form-data; boundary=b' })
  return await gateway.post(path, { model: 'chat', stream: true, stream_format: 'sse', prompt: 'x' })
}

type Write = (type: string, rest?: object) => string
const data = (value: object) => `data: ${JSON.stringify(value)}\n\n`
const named: Write = (type, rest) => `event: ${type}\n${data({ type, ...rest })}`
const unnamed: Write = (type, rest) => data({ type, ...rest })
const typeBehind: Write = (type, rest) => data({ ...rest, type })
const calledMessage: Write = (type, rest) => `event: message\n${data({ type, ...rest })}`
const done = 'data: [DONE]\n\n'
const base64 = (bytes: number) => 'iVBORw0KGgo+/AAA'.repeat(Math.ceil(bytes / 16))
const usage = { input_tokens: 3, output_tokens: 7, total_tokens: 10 }

/** The path, the events before the last one, and the last one's type. */
const streams: readonly (readonly [string, string, string])[] = [
  ['/images/generations', 'image_generation.partial_image', 'image_generation.completed'],
  ['/images/edits', 'image_edit.partial_image', 'image_edit.completed'],
  ['/audio/transcriptions', 'transcript.text.delta', 'transcript.text.done'],
  ['/audio/speech', 'speech.audio.delta', 'speech.audio.done'],
]

async function passes(path: string, pieces: readonly (string | Buffer)[]): Promise<void> {
  await using upstream = await openUpstream({ script: () => chunks(pieces, sse) })
  await using gateway = await openWith(upstream.baseUrl)
  const text = await (await ask(gateway, path)).text()
  expect(text === pieces.join('') ? 'as it came' : text.slice(-300)).toBe('as it came')
  expect(gateway.records).toMatchObject([{ outcome: 'OK' }])
  expect(gateway.gateway.live.healthOf('end_a_0')!.consecutiveFailures).toBe(0)
}

test.each(streams)('%s: a stream with the last event is whole', async (path, part, last) => {
  for (const write of [named, unnamed, calledMessage, typeBehind]) {
    const before = write(part, { delta: 'x' })
    await passes(path, [before, before + write(last, { usage })])
    await passes(path, [before, write(last, { usage }).slice(0, -1)])
    await passes(path, [before, write(last, { usage }) + done])
    await passes(path, [before.replaceAll('\n', '\r\n'), write(last).replaceAll('\n', '\r\n')])
  }
  await passes(path, [named(part), done])
})

test.each(
  streams.flatMap(([path, part, last]) =>
    [20_000, 100_000, 1_000_000].map((size) => [path, size, part, last] as const),
  ),
)(
  '%s: a stream whose events have %i bytes is whole',
  async (path, size, part, last) => {
    const image = { b64_json: base64(size) }
    for (const write of [named, unnamed, calledMessage, typeBehind]) {
      const whole = write(part, image) + write(part, image) + write(last, { ...image, usage })
      await passes(path, [whole])
      await passes(path, inPiecesOf(16_000, whole))
      await passes(path, inPiecesOf(70_001, whole + done))
    }
  },
  30_000,
)

test.each(streams)('%s: a stream that ends without its last event is broken off', async (path, part, last) => {
  const image = { b64_json: base64(100_000) }
  for (const write of [named, unnamed, calledMessage]) {
    const before = write(part, { delta: 'x' })
    const all: readonly (readonly string[])[] = [
      [before],
      [before, before],
      [before, write(part, image)],
      [before, write(last, { usage }).slice(0, -20)],
      [before, write(last, image).slice(0, -200)],
      [before, write(last, image).slice(0, 3_000)],
    ]
    for (const pieces of all) {
      await using upstream = await openUpstream({ script: () => chunks(pieces, sse) })
      await using gateway = await openWith(upstream.baseUrl)
      const text = await (await ask(gateway, path)).text()
      expect(text.split('\n\n').at(-2)).toMatch(/^event: error\ndata: .*upstream_truncated/)
      expect(gateway.records).toMatchObject([{ outcome: 'TRUNCATED' }])
    }
  }
})

test.each(streams)('%s: a stream whose events have no such types may end with any', async (path) => {
  await passes(path, [data({ choices: [{ delta: { content: 'x' } }] }), data({ text: '"type":"a.delta"' })])
  await passes(path, ['data: hello\n\n', 'data: \n\n'])
})

test('what follows the last event is passed on, and the record is written before', async () => {
  const releases: (() => void)[] = []
  const before = named('image_generation.partial_image', { b64_json: 'x' })
  const last = named('image_generation.completed', { b64_json: base64(100_000), usage })
  await using upstream = await openUpstream({ script: () => chunks([before, last, done], sse) })
  await using gateway = await openWith(upstream.baseUrl, { append: (_, written) => void releases.push(written) })
  const answer = await ask(gateway, '/images/generations')
  let text = ''
  const reading = (async () => {
    for await (const piece of answer.body!.pipeThrough(new TextDecoderStream())) text += piece
  })()
  await until(() => releases.length === 1)
  expect(text.includes(done)).toBe(false)
  releases[0]!()
  await reading
  expect(text === before + last + done).toBe(true)
  expect(gateway.records).toMatchObject([{ outcome: 'OK', provenance: 'REPORTED', tokens: { outputTokens: 7 } }])
})
