/** The model that an answer names is the route's, where the route says so; no other byte changes. */
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { ModelRewrite, type Rewrite, StreamModelRewrite } from '../../../src/gateway/answer/model-rewrite.ts'
import { chunks, inPiecesOf } from '../../support/replies.ts'
import { openUpstream } from '../../support/upstream.ts'
import { deployment, openTestGateway, route } from '../support/open-test-gateway.ts'

const name = Buffer.from('"route"')

/** Cuts bytes at the given places, whatever they are. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const ends = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b)
  return [0, ...ends].map((start, i) => bytes.subarray(start, ends[i] ?? bytes.length))
}

function rewritten(rewrite: Rewrite, pieces: readonly Buffer[]): string {
  return Buffer.concat([...pieces.flatMap((piece) => rewrite.push(piece)), ...rewrite.end()]).toString()
}

type Json = Record<string, unknown>

/** What it has to be, by reading and writing all of it. */
function expected(value: unknown): unknown {
  if (!isObject(value)) return value
  const all: Json = { ...value }
  for (const place of ['response', 'message']) {
    const inner = all[place]
    if (isObject(inner) && typeof inner['model'] === 'string') all[place] = { ...inner, model: 'route' }
  }
  return typeof all['model'] === 'string' ? { ...all, model: 'route' } : all
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

const leaf = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 12 }),
  fc.constantFrom('m', '"model":"x"', '\\', '{'),
  fc.integer(),
  fc.constant(null),
)
const anything = fc.letrec((tie) => ({
  value: fc.oneof({ depthSize: 'small' }, leaf, fc.array(tie('value'), { maxLength: 3 }), tie('object')),
  object: fc.dictionary(fc.constantFrom('model', 'a', 'response', 'message', 'b"', 'data'), tie('value'), {
    maxKeys: 5,
  }),
}))
const places = fc.array(fc.nat(), { maxLength: 12 })

test('the model of a plain answer is the route’s, and nothing else changes, however it is cut and spaced', () => {
  fc.assert(
    fc.property(anything.object, places, fc.constantFrom(0, 2), (value, cuts, space) => {
      const bytes = Buffer.from(JSON.stringify(value, null, space))
      expect(rewritten(new ModelRewrite(name), cut(bytes, cuts))).toBe(JSON.stringify(expected(value), null, space))
    }),
    { numRuns: 1_000 },
  )
})

test('what is no JSON object, or breaks off, passes as it came', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: 'binary' }).filter((text) => !/^\s*\{/.test(text)),
        fc.constantFrom('["model"]', '{"model":"abc', '{"model', '{"model":5e', `{"model":"${'x'.repeat(9_000)}"}`),
      ),
      places,
      (text, cuts) => {
        expect(rewritten(new ModelRewrite(name), cut(Buffer.from(text), cuts))).toBe(Buffer.from(text).toString())
      },
    ),
    { numRuns: 1_000 },
  )
})

const lineEnds = fc.constantFrom('\n', '\r\n', '\r')
const otherLine = fc.constantFrom(
  ': {"model":"m"}',
  'event: model',
  'id: {"model":"m"}',
  'retry: 5',
  'database: {"model":"m"}',
  'data',
)

test('the model of each event of a stream is the route’s, and nothing else changes, with any lines and line ends', () => {
  const event = fc.record({
    value: anything.object,
    before: fc.array(otherLine, { maxLength: 2 }),
    end: lineEnds,
    gap: fc.constantFrom('', ' '),
  })
  fc.assert(
    fc.property(fc.array(event, { maxLength: 5 }), places, fc.boolean(), (events, cuts, hasMark) => {
      const text = (map: (value: unknown) => unknown) =>
        (hasMark ? '\uFEFF' : '') +
        events
          .map(
            ({ value, before, end, gap }) =>
              `${before.map((line) => line + end).join('')}data:${gap}${JSON.stringify(map(value))}${end}${end}`,
          )
          .join('')
      const bytes = Buffer.from(text((value) => value))
      expect(rewritten(new StreamModelRewrite(name), cut(bytes, cuts))).toBe(text(expected))
    }),
    { numRuns: 1_000 },
  )
})

test('a route that rewrites it names itself in plain answers and streams, and another one does not', async () => {
  const big = { pad: 'x'.repeat(200_000), model: 'upstream-model', n: 1 }
  const plain = `{"id":1, "model" : "upstream-model","choices":[{"message":{"content":"\\"model\\":1"}}],"n":9007199254740993}`
  const events = `data: {"model":"upstream-model","choices":[{"delta":{"content":"x"}}]}\n\ndata: ${JSON.stringify(big)}\n\ndata: [DONE]\n\n`
  await using upstream = await openUpstream()
  await using gateway = await openTestGateway({
    deployments: [deployment('a', [upstream.baseUrl])],
    routes: [route('as-itself', ['dep_a'], { rewritesModel: true }), route('as-it-is', ['dep_a'])],
  })
  for (const [text, type] of [
    [plain, 'application/json'],
    [JSON.stringify(big), 'application/json'],
    [events, 'text/event-stream'],
  ] as const) {
    for (const size of [7, 100_000]) {
      for (const model of ['as-itself', 'as-it-is']) {
        upstream.answerNext(chunks(inPiecesOf(text.length > 100_000 ? 50_007 : size, text), { 'content-type': type }))
        const answer = await gateway.post('/chat/completions', { model, messages: [], stream: type.includes('event') })
        const wanted = model === 'as-itself' ? text.replaceAll('upstream-model', model) : text
        expect((await answer.text()) === wanted).toBe(true)
      }
    }
  }
  expect(gateway.records.every(({ outcome }) => outcome === 'OK')).toBe(true)
})
