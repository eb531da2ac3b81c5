import { expect, test } from 'vitest'
import * as fc from 'fast-check'
import { RequestScan, type ScanResult } from '../../../src/gateway/body/request-scan.ts'
import { type ByteEdit, splice, usageEdit } from '../../../src/gateway/body/splice.ts'
import { operations } from '../../../src/routing/vendors/operation.ts'

const streamTrue = { name: 'stream', value: 'true' }

function scan(...chunks: Buffer[]): ScanResult {
  const scan = new RequestScan(streamTrue)
  for (const chunk of chunks) scan.push(chunk)
  return scan.finish()
}

const scanText = (text: string) => scan(Buffer.from(text))

function found(text: string) {
  const result = scanText(text)
  if (!result.ok) throw new Error(result.fault)
  return result.request
}

/** Cuts bytes at the given places, whatever they are. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const ends = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b)
  return [0, ...ends].map((start, i) => bytes.subarray(start, ends[i] ?? bytes.length))
}

function spliced(chunks: readonly Buffer[], edits: readonly ByteEdit[]): Buffer {
  return Buffer.concat(splice(chunks, edits))
}

/** JSON text of a string in which any character may be written as an escape. */
const stringText = (content: fc.Arbitrary<string>) =>
  fc.tuple(content, fc.infiniteStream(fc.boolean())).map(([text, escapes]) => {
    const characters = Array.from(text).map((character) => {
      if (!escapes.next().value) return JSON.stringify(character).slice(1, -1)
      return Array.from({ length: character.length }, (_, i) => i)
        .map((i) => `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`)
        .join('')
    })
    return `"${characters.join('')}"`
  })

const whiteSpace = fc.string({ unit: fc.constantFrom(' ', '\t', '\n', '\r'), maxLength: 3 })
const anyString = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }).filter((text) => text.isWellFormed()),
  fc.constantFrom('model', 'stream', '"model":"x"', '\\', '\\"', '{', '}', 'include_usage'),
)

/** JSON text with members called `model` wherever they are allowed, and white space everywhere. */
const { jsonValue } = fc.letrec<{ jsonValue: string }>((tie) => ({
  jsonValue: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.constantFrom('null', 'true', 'false', '0', '-1.5e+400', '9007199254740993', '1e400', '""', '[]', '{}'),
    stringText(anyString),
    fc
      .array(fc.tuple(whiteSpace, tie('jsonValue'), whiteSpace), { maxLength: 4 })
      .map((items) => `[${items.map((item) => item.join('')).join(',')}]`),
    fc
      .array(fc.tuple(whiteSpace, stringText(anyString), whiteSpace, tie('jsonValue'), whiteSpace), { maxLength: 4 })
      .map((members) => `{${members.map(([a, name, b, item, c]) => `${a}${name}${b}:${item}${c}`).join(',')}}`),
  ),
}))

const otherMember = fc
  .tuple(whiteSpace, stringText(anyString.filter((name) => !/^(model|stream|stream_options)$/i.test(name))), jsonValue)
  .map(([space, name, item]) => `${space}${name}${space}:${space}${item}`)

test('whatever the JSON and wherever it is cut, only the value of the top-level model changes', () => {
  fc.assert(
    fc.property(
      fc.array(otherMember, { maxLength: 4 }),
      fc.array(otherMember, { maxLength: 4 }),
      stringText(fc.constant('model')),
      stringText(anyString),
      whiteSpace,
      fc.array(fc.nat(), { maxLength: 8 }),
      (before, after, name, model, space, cuts) => {
        const member = (value: string) => `${space}${name}${space}:${space}${value}${space}`
        const body = (value: string) => `${space}{${[...before, member(value), ...after].join(',')}}${space}`
        const chunks = cut(Buffer.from(body(model)), cuts)
        const result = scan(...chunks)
        if (!result.ok) throw new Error(result.fault)
        expect(result.request.model).toBe(JSON.parse(model))
        const bytes = Buffer.from('"up/stream \\u00e9"')
        expect(spliced(chunks, [{ ...result.request.modelSpan, bytes }]).toString()).toBe(body(bytes.toString()))
      },
    ),
    { numRuns: 2000 },
  )
})

test('what asks for a stream is found for each operation, wherever the body is cut', () => {
  const flags = operations.flatMap(({ streamFlag }) => streamFlag ?? [])
  const member = fc
    .constantFrom(...flags)
    .chain((flag) => fc.tuple(fc.constant(flag), stringText(fc.constant(flag.name))))
  fc.assert(
    fc.property(member, fc.option(jsonValue), fc.array(fc.nat(), { maxLength: 8 }), ([flag, name], other, cuts) => {
      const scan = new RequestScan(flag)
      const text = `{"model":"m",${name}: ${other ?? flag.value} }`
      for (const chunk of cut(Buffer.from(text), cuts)) scan.push(chunk)
      const asked = JSON.stringify((JSON.parse(text) as Record<string, unknown>)[flag.name]) === flag.value
      expect(scan.finish()).toMatchObject({ ok: true, request: { stream: asked } })
    }),
    { numRuns: 500 },
  )
})

test('the scan never refuses what JSON.parse takes, and finds the same model and stream', () => {
  fc.assert(
    fc.property(jsonValue, stringText(anyString), fc.boolean(), (item, model, stream) => {
      const text = `{"a":${item},"stream":${stream},"model":${model}}`
      expect(found(text)).toMatchObject({ model: (JSON.parse(text) as { model: string }).model, stream })
    }),
    { numRuns: 1000 },
  )
})

test('a body with its model at the end of a megabyte, full of quotes and escapes, is spliced right', () => {
  const content = 'He said \\"model\\": \\\\ and "'.replaceAll('"', '\\"').repeat(40_000)
  const head = `{"messages":[{"role":"user","content":${JSON.stringify(content)}}],"model":`
  const body = Buffer.from(`${head}"alias","n":9007199254740993}`)
  const chunks = cut(body, [65_536, 131_072, 131_073, 700_001])
  const result = scan(...chunks)
  if (!result.ok) throw new Error(result.fault)
  expect(result.request.model).toBe('alias')
  const sent = spliced(chunks, [{ ...result.request.modelSpan, bytes: Buffer.from('"real"') }])
  expect(sent.equals(Buffer.from(`${head}"real","n":9007199254740993}`))).toBe(true)
})

test('a repeated model is refused, however it is written', () => {
  const bodies = [
    '{"model":"a","model":"b"}',
    '{"model":"a","mod\\u0065l":"b"}',
    '{"\\u006d\\u006f\\u0064\\u0065\\u006c":"a","x":{"model":1},"model":"b"}',
    '{"model":"a","model":7}',
    '{"model":"a","Model":"b"}',
  ]
  for (const body of bodies) expect(scanText(body)).toEqual({ ok: false, fault: 'duplicate_model' })
})

test('a body may be nested 1,000 deep, its own object included', () => {
  const nested = (depth: number) => scanText(`{"model":"m","x":${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}}`)
  expect(nested(1_000)).toMatchObject({ ok: true })
  expect(nested(1_001)).toEqual({ ok: false, fault: 'invalid_json' })
})

test('a nested model is not the model', () => {
  const bodies = ['{}', '{"a":{"model":"x"}}', '{"model":null}', '{"model":5}', '{"model":["x"]}', '{"MODEL":"x"}']
  for (const body of bodies) expect(scanText(body)).toEqual({ ok: false, fault: 'missing_model' })
})

test('what is not a JSON object is refused', () => {
  const bodies = [
    '',
    ' ',
    '[]',
    '"model"',
    'null',
    '{',
    '{"model":"a"',
    '{"model":"a"}x',
    '{"model":"a",}',
    '{"model":"a" "b":1}',
    '{"model" "a"}',
    '{model:"a"}',
    "{'model':'a'}",
    '{"model":"a","b":[1}',
    '{"model":"a","b":tru}',
    '{"model":"a","b":undefined}',
    '{"model":"a","b":"open}',
    '{"model":"\\q"}',
    `{"model":"a","b":${'['.repeat(1001)}${']'.repeat(1001)}}`,
  ]
  for (const body of bodies) expect({ body, ...scanText(body) }).toEqual({ body, ok: false, fault: 'invalid_json' })
})

test('a model whose bytes are not UTF-8 is refused', () => {
  const body = Buffer.concat([Buffer.from('{"model":"a'), Buffer.from([0xc3, 0x28]), Buffer.from('"}')])
  expect(scan(body)).toEqual({ ok: false, fault: 'invalid_json' })
  expect(found('{"model":"a\uFFFD"}').model).toBe('a\uFFFD')
})

test('a byte order mark is passed on', () => {
  const body = Buffer.from('\uFEFF{"model":"a"}')
  expect(scan(body)).toMatchObject({ ok: true, request: { model: 'a' } })
  expect(scan(...cut(body, [1, 2, 3]))).toMatchObject({ ok: true })
})

test.each([
  ['{"model":"m"}', '{"stream_options":{"include_usage":true},"model":"m"}'],
  ['{"model":"m","stream_options":null}', '{"model":"m","stream_options":{"include_usage":true}}'],
  ['{"model":"m","stream_options":{ }}', '{"model":"m","stream_options":{"include_usage":true}}'],
  ['{"model":"m","stream_options":{"x":[1]}}', '{"model":"m","stream_options":{"include_usage":true,"x":[1]}}'],
  ['{"stream_options":{"include_usage":false},"model":"m"}', '{"stream_options":{"include_usage":true},"model":"m"}'],
  ['{"stream_options":{"include_usage":null},"model":"m"}', '{"stream_options":{"include_usage":true},"model":"m"}'],
])('usage is asked for where the client did not: %s', (body, expected) => {
  const edit = usageEdit(found(body))
  expect(edit && spliced([Buffer.from(body)], [edit]).toString()).toBe(expected)
})

test.each([
  '{"model":"m","stream_options":{"include_usage":true}}',
  '{"model":"m","stream_options":[]}',
  '{"model":"m","stream_options":{},"stream_options":{}}',
  '{"model":"m","stream_options":7}',
  '{"model":"m","stream_options":{"include_usage":"yes"}}',
  '{"model":"m","stream_options":{"include_usage":1}}',
  '{"model":"m","stream_options":{"include_usage":{"include_usage":false}}}',
  '{"model":"m","stream_options":{"include_usage":[null]}}',
])('stream options that ask for usage, or are broken, stay as they are: %s', (body) => {
  expect(usageEdit(found(body))).toBeNull()
})
