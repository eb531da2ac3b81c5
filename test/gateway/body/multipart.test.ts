import { expect, test } from 'vitest'
import * as fc from 'fast-check'
import { boundaryOf } from '../../../src/gateway/body/multipart-boundary.ts'
import { MultipartScan } from '../../../src/gateway/body/multipart-scan.ts'
import { status } from '../../support/replies.ts'
import { openUpstream } from '../../support/upstream.ts'
import { deployment, openTestGateway, provider, route } from '../support/open-test-gateway.ts'

function scan(chunks: readonly Buffer[], boundary = 'b0und') {
  const scan = new MultipartScan(boundary, { name: 'stream', value: 'true' })
  for (const chunk of chunks) scan.push(chunk)
  return scan.finish()
}

/** What is wrong with a form, or the model that it names; the same wherever it is cut. */
function read(form: string, boundary?: string): string {
  const bytes = Buffer.from(form, 'latin1')
  const [whole, ...others] = [bytes.length, 1, 7].map((size) => {
    const result = scan(pieces(bytes, size), boundary)
    if (result.ok) return result.form.model
    return result.fault.detail ? `${result.fault.code}: ${result.fault.detail}` : result.fault.code
  })
  for (const other of others) expect(other).toBe(whole)
  return whole!
}

function pieces(bytes: Buffer, size: number): readonly Buffer[] {
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size))
}

const partWith = (head: string, content: string) => `--b0und\r\n${head}\r\n\r\n${content}\r\n`
const part = (name: string, content: string, extra = '') =>
  partWith(`Content-Disposition: form-data; name="${name}"${extra}`, content)
const end = '--b0und--\r\n'
const cd = 'Content-Disposition: form-data'

test('the model is found wherever the form is cut, and wherever it stands', () => {
  const file = part(
    'file',
    'RIFF\r\n--b0un\r\nname="model"\r\n\r\nother',
    '; filename="a.wav"\r\nContent-Type: audio/wav',
  )
  const forms = [
    `${part('model', 'chat')}${file}--b0und--\r\n`,
    `${file}${part('stream', 'true')}${part('model', 'chat')}--b0und--`,
    `\r\n\r\n${file}${part('model', 'chat')}--b0und-- \t\r\n\r\n`,
  ]
  fc.assert(
    fc.property(fc.constantFrom(...forms), fc.array(fc.nat(), { maxLength: 6 }), (form, cuts) => {
      const bytes = Buffer.from(form)
      const result = scan(cutAt(bytes, cuts))
      if (!result.ok) throw new Error(result.fault.detail)
      const { model, modelSpan, stream } = result.form
      expect({ model, stream }).toEqual({ model: 'chat', stream: form.includes('"stream"') })
      expect(bytes.subarray(modelSpan.start, modelSpan.end).toString()).toBe('chat')
    }),
    { numRuns: 1000 },
  )
})

test('a form may be cut at any byte', () => {
  const bytes = Buffer.from(`${part('file', '\r\n--b0un\r')}${part('model', 'chat')}--b0und-- \r\n`)
  const whole = scan([bytes])
  expect(whole).toMatchObject({ ok: true, form: { model: 'chat' } })
  for (let cut = 0; cut <= bytes.length; cut++) expect(scan(cutAt(bytes, [cut]))).toEqual(whole)
})

function cutAt(bytes: Buffer, cuts: readonly number[]): readonly Buffer[] {
  const ends = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b)
  return [0, ...ends].map((start, i) => bytes.subarray(start, ends[i] ?? bytes.length))
}

/** Text made of what multipart is made of, so that parts look like what they are not. */
const tricky = fc
  .array(
    fc.constantFrom(
      '\r\n',
      '\r',
      '\n',
      '-',
      '--',
      'b0und',
      '--b0un',
      ';',
      'name="model"',
      'name=',
      '"',
      '\\',
      'x',
      '\0',
      'ü',
    ),
    { maxLength: 12 },
  )
  .map((words) => words.join(''))
const content = tricky.filter((text) => !text.includes('--b0und'))
const quotable = tricky
  .map((text) => text.replaceAll(/[\r\n\0]/g, '').replaceAll(/["\\]/g, '\\$&'))
  .filter((text) => !/;name=[^;]*;/.test(text))
const otherPart = fc
  .tuple(fc.constantFrom('file', 'prompt', 'models', 'del'), fc.option(quotable), content)
  .map(([name, filename, text]) => part(name, text, filename === null ? '' : `; filename="${filename}"`))
const padding = fc.constantFrom('', ' ', '\t ')

test('whatever the form, and wherever it is cut, only the value of its model changes', () => {
  fc.assert(
    fc.property(
      fc.array(otherPart, { maxLength: 3 }),
      fc.array(otherPart, { maxLength: 3 }),
      fc.string({ unit: 'grapheme', maxLength: 8 }).filter((model) => !model.includes('--b0und')),
      padding,
      fc.array(fc.nat(), { maxLength: 8 }),
      (before, behind, model, blanks, cuts) => {
        const form = (model: string) =>
          Buffer.from(`${before.join('')}${part('model', model)}${behind.join('')}--b0und--${blanks}\r\n`)
        const bytes = form(model)
        const result = scan(cutAt(bytes, cuts))
        if (!result.ok) throw new Error(result.fault.detail)
        const { start, end } = result.form.modelSpan
        expect(result.form.model).toBe(model)
        const changed = Buffer.concat([bytes.subarray(0, start), Buffer.from('served'), bytes.subarray(end)])
        expect(changed.equals(form('served'))).toBe(true)
      },
    ),
    { numRuns: 2000 },
  )
})

test('whatever comes, it is read the same wherever it is cut', () => {
  const soup = fc
    .array(
      fc.oneof(
        tricky,
        otherPart,
        fc.constantFrom('--b0und', '--b0und\r\n', '--b0und--', part('model', 'a'), '\r\n\r\n'),
      ),
    )
    .map((words) => Buffer.from(words.join('')))
  fc.assert(
    fc.property(soup, fc.array(fc.nat(), { maxLength: 8 }), (bytes, cuts) => {
      expect(scan(cutAt(bytes, cuts))).toEqual(scan([bytes]))
    }),
    { numRuns: 2000 },
  )
})

test('what passes has the same model for another parser of forms', async () => {
  const words = fc.constantFrom(
    '; name="model"',
    '; name=model',
    '; name="file"',
    '; name="Model"',
    '; filename="a',
    '"',
    '\\',
    '; ',
    'model',
    ' ',
    '\r\n',
    '\n',
    '\r\n\r\n',
    `\r\n${cd}`,
    '\r\n--b0und\r\n',
    '--b0und',
    'x',
  )
  const head = fc.array(words, { maxLength: 6 }).map((parts) => `Content-Disposition: form-data${parts.join('')}`)
  const anyPart = fc.tuple(head, content).map(([head, text]) => partWith(head, text))
  const headers = { 'content-type': 'multipart/form-data; boundary=b0und' }
  let compared = 0
  await fc.assert(
    fc.asyncProperty(fc.array(fc.oneof(anyPart, otherPart), { maxLength: 3 }), fc.nat(3), async (parts, at) => {
      const bytes = Buffer.from([...parts.slice(0, at), part('model', 'chat'), ...parts.slice(at)].join('') + end)
      const result = scan([bytes])
      if (!result.ok) return
      const form = await new Response(bytes, { headers }).formData().catch(() => undefined)
      if (!form) return
      compared++
      expect(form.getAll('model')).toEqual([result.form.model])
    }),
    { numRuns: 3000 },
  )
  expect(compared).toBeGreaterThan(300)
})

test('a form without a model, with two, or cut off is refused', () => {
  expect(read(end)).toBe('missing_model')
  expect(read(`${part('file', 'x')}${end}`)).toBe('missing_model')
  expect(read(`${part('model', 'a')}${part('model', 'b')}${end}`)).toBe('duplicate_model')
  expect(read(part('model', 'a'))).toBe('invalid_multipart: it stops before its last boundary')
  expect(read(`${part('model', 'a')}--b0und-`)).toBe('invalid_multipart: it stops before its last boundary')
  expect(read('')).toBe('invalid_multipart: it does not begin with its boundary')
  expect(read(part('model', 'a'), 'another')).toBe('invalid_multipart: it does not begin with its boundary')
  for (const behind of ['x', ' ', '\t', '\n', '-', '\rx'])
    expect(read(`--b0und${behind}\r\n${cd}\r\n\r\n\r\n${end}`)).toBe(
      'invalid_multipart: something stands behind its boundary',
    )
})

test.each([
  ['no quotes', 'Content-Disposition: form-data; name=model'],
  ['upper case', 'CONTENT-DISPOSITION: FORM-DATA; NAME="model"'],
  ['mixed case', 'content-Disposition: form-data; Name="model"'],
  ['blanks around its signs', 'Content-Disposition:form-data ;\t name = "model" ; '],
  ['an escape', 'Content-Disposition: form-data; name="mo\\del"'],
  ['another type', 'Content-Disposition: attachment; name="model"'],
  ['other headers', 'Content-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; name="model"\r\nX-A:'],
  ['an encoding that is none', 'Content-Disposition: form-data; name="model"\r\nContent-Transfer-Encoding: 8BIT'],
  ['a file name', 'Content-Disposition: form-data; filename="x"; name="model"'],
])('a model whose head has %s is found, and never unseen beside another', (_what, head) => {
  expect(read(`${partWith(head, 'chat')}${end}`)).toBe('chat')
  expect(read(`${part('model', 'a')}${partWith(head, 'b')}${end}`)).toBe('duplicate_model')
})

test.each(['Model', 'MODEL', 'model[]', 'model[0]', ' model', 'Model[x]'])(
  'a part with the name %j is the model to some servers: it counts, but names none',
  (name) => {
    expect(read(`${part(name, 'a')}${end}`)).toBe('missing_model')
    expect(read(`${part('model', 'a')}${part(name, 'b')}${end}`)).toBe('duplicate_model')
    expect(read(`${part(name, 'a')}${part('model', 'b')}${end}`)).toBe('duplicate_model')
  },
)

test.each([
  ['a folded header', `${cd};\r\n name="model"`, 'a header of a part is folded'],
  ['a first line that is folded', ` ${cd}; name="model"`, 'a header of a part is folded'],
  ['name*', `${cd}; name*=utf-8''model`, 'a part has a `name*`'],
  ['name* beside a name', `${cd}; name="file"; NAME*=utf-8''model`, 'a part has a `name*`'],
  ['a name in pieces', `${cd}; name*0="mo"; name*1="del"`, 'a part has a `name*`'],
  ['a blank before the colon', `content-disposition : form-data; name="model"`, 'a header of a part is malformed'],
  ['a header without a colon', `${cd}; name="file"\r\nmodel`, 'a header of a part is malformed'],
  ['two names', `${cd}; name="file"; name="model"`, 'a part has two names'],
  ['two names, one without quotes', `${cd}; name="file"; Name=model`, 'a part has two names'],
  ['no disposition', 'Content-Type: text/plain; name="model"', 'a part has no Content-Disposition'],
  ['two dispositions', `${cd}; name="file"\r\n${cd}; name="model"`, 'a part has two Content-Disposition'],
  ['a bare line feed', `X-A: b\n${cd}; name="model"`, 'the head of a part has characters that may not be there'],
  ['a bare carriage return', `X-A: b\r${cd}; name="model"`, 'the head of a part has characters that may not be there'],
  ['a NUL', `${cd}; name="model\0"`, 'the head of a part has characters that may not be there'],
  ['a quote that stays open', `${cd}; name="model`, 'the Content-Disposition of a part is malformed'],
  ['text behind a quote', `${cd}; name="file"model`, 'the Content-Disposition of a part is malformed'],
  ['quotes around a name of a parameter', `${cd}; "name"="model"`, 'the Content-Disposition of a part is malformed'],
  ['a comment', `${cd} (x); name="model"`, 'the Content-Disposition of a part is malformed'],
  ['no value', `${cd}; name=`, 'the Content-Disposition of a part is malformed'],
  ['no type', 'Content-Disposition: ; name="model"', 'the Content-Disposition of a part is malformed'],
  ['a name in angle brackets, which Python takes off', `${cd}; name=<model>`, 'the name of a part is malformed'],
  ['a name that cpp-httplib splits again', `${cd}; name=a=model`, 'the name of a part is malformed'],
  [
    'a name within a value, for who splits at semicolons',
    `${cd}; filename="a; name=model; b"; name="file"`,
    'the name of a part can be read in two ways',
  ],
  [
    'a name within a value, for who miscounts quotes',
    `${cd}; filename="a\\\\"; y="; name=model; "; name="file"`,
    'the name of a part can be read in two ways',
  ],
  [
    'a name within a value, for who knows no escapes',
    `${cd}; filename="a\\"; name=model; b="; name="file"`,
    'the name of a part can be read in two ways',
  ],
  [
    'a model in base64',
    `${cd}; name="model"\r\nContent-Transfer-Encoding: base64`,
    'its `model` has a Content-Transfer-Encoding',
  ],
  [
    'a model in quoted-printable',
    `Content-Transfer-Encoding: quoted-printable\r\n${cd}; name="model"`,
    'its `model` has a Content-Transfer-Encoding',
  ],
])('a part head with %s is refused, which says so', (_what, head, detail) => {
  expect(read(`${part('model', 'a')}${partWith(head, 'b')}${end}`)).toBe(`invalid_multipart: ${detail}`)
  expect(read(`${partWith(head, 'b')}${part('model', 'a')}${end}`)).toBe(`invalid_multipart: ${detail}`)
})

test.each([
  ['a file name that speaks of names', `${cd}; filename="a; name=model"; name="file"`],
  ['a file name that speaks of names in quotes', `${cd}; name="file"; filename="x\\"; name=\\"model"`],
  ['quotes as browsers write them', `${cd}; name="file"; filename="a%22; name=%22model%22.wav"`],
  ['a path of Windows', `${cd}; name="file"; filename="C:\\temp\\a.wav"`],
  ['UTF-8', `${cd}; name="file"; filename="\xe6\x97\xa5.wav"; filename*=UTF-8''%e6%97%a5.wav`],
  ['a file name without quotes', `${cd}; name=file; filename=a/b=c.wav`],
  ['an empty file name', `${cd}; name="file"; filename=""`],
  ['no name', cd],
  ['an encoded content', `${cd}; name="file"\r\nContent-Transfer-Encoding: base64`],
  ['a longer name', `${cd}; name="models"`],
])('a part head with %s is not the model, and no fault', (_what, head) => {
  expect(read(`${partWith(head, 'b')}${part('model', 'chat')}${end}`)).toBe('chat')
})

test('a part may have no content, but not no headers', () => {
  expect(read(`${part('file', '')}${part('model', 'chat')}${end}`)).toBe('chat')
  expect(read(`--b0und\r\n\r\n${cd}; name="model"\r\r\n${part('model', 'chat')}${end}`)).toBe(
    'invalid_multipart: a part has no Content-Disposition',
  )
})

test.each([
  ['behind a line feed in a part', part('file', 'a\n--b0und\nb')],
  ['behind a carriage return in a part', part('file', 'a\r--b0und\rb')],
  ['within a line of a part', part('file', `a--b0und\r\n${cd}; name="model"\r\n\r\nb`)],
  ['at the beginning of a part', part('file', '--b0und\r\nb')],
])('a boundary %s is refused: servers disagree on whether a part begins there', (_where, before) => {
  const form = `${before}${part('model', 'a')}${end}`
  expect(read(form)).toBe('invalid_multipart: its boundary stands where no part begins or ends')
})

test.each([
  'preamble\r\n',
  `x--b0und\r\n${cd}; name="model"\r\n\r\nb\r\n`,
  `${cd}; name="model"\r\n\r\nb\r\n`,
  ' ',
  '\n',
  '\r',
])('%j before the first boundary is refused: servers find a part there', (preamble) => {
  expect(read(`${preamble}${part('model', 'a')}${end}`)).toBe('invalid_multipart: it does not begin with its boundary')
})

test.each(['x', '--', '\r\n--b0und\r\n', `\r\n${cd}; name="model"\r\n\r\nb`, '\r\nepilogue'])(
  '%j behind the last boundary is refused: servers find a part there',
  (epilogue) => {
    expect(read(`${part('model', 'a')}--b0und--${epilogue}`)).toBe(
      'invalid_multipart: something stands behind its last boundary',
    )
  },
)

test.each(['', '\r\n', '\n', ' \t', '\r\n\r\n'])('%j may stand behind the last boundary', (epilogue) => {
  expect(read(`${part('model', 'a')}--b0und--${epilogue}`)).toBe('a')
})

test('the value of a model may be empty, long, or no text', () => {
  expect(read(`${part('model', '')}${end}`)).toBe('')
  expect(read(`${part('model', 'm'.repeat(1024))}${end}`)).toBe('m'.repeat(1024))
  expect(read(`${part('model', 'm'.repeat(5000))}${end}`)).toBe('m'.repeat(1024))
  expect(read(`${part('model', '\xff')}${end}`)).toBe('missing_model')
})

test('a part head has an end within 16 KiB', () => {
  const form = (length: number) =>
    `${partWith(`${cd}\r\nA: ${'a'.repeat(length - cd.length - 7)}`, 'x')}${part('model', 'a')}${end}`
  expect(read(form(16 * 1024))).toBe('a')
  expect(read(form(16 * 1024 + 1))).toBe('invalid_multipart: the head of a part is too long')
  expect(read(`--b0und\r\n${'a'.repeat(20_000)}`)).toBe('invalid_multipart: the head of a part is too long')
})

test('a form may have thousands of parts, but not any number', () => {
  const form = (parts: number) => `${part('x', 'y').repeat(parts - 1)}${part('model', 'a')}${end}`
  expect(scan([Buffer.from(form(10_000))])).toMatchObject({ ok: true })
  expect(scan([Buffer.from(form(10_001))])).toMatchObject({ fault: { detail: 'it has more than 10000 parts' } })
})

test('forms that are made to be slow are read about as fast as they can be sent', () => {
  const byte = Buffer.from('a')
  const beganAtMs = performance.now()
  const slow = new MultipartScan('b', null)
  for (let i = 0; i < 60; i++) {
    slow.push(Buffer.from('--b\r\n'))
    for (let j = 0; j < 16_000; j++) slow.push(byte)
    slow.push(Buffer.from(`:\r\n${cd}\r\n\r\n\r\n`))
  }
  const heads = [
    `X-A: a${' '.repeat(16_000)}b\r\n${cd}`,
    `${cd}${'; a="\\"'.repeat(1_500)}`,
    `${cd}${'; name'.repeat(2_500)}`,
    `${cd}${' '.repeat(16_000)}b`,
    `${cd}; a="${'; name'.repeat(2_500)}"`,
  ]
  for (const head of heads) for (let i = 0; i < 100; i++) scan([Buffer.from(partWith(head, 'x'))])
  scan([Buffer.from(part('file', '--b'.repeat(300_000)))], 'b')
  for (let i = 0; i < 100; i++) boundaryOf(`multipart/form-data; boundary=x${' '.repeat(16_000)}y`)
  expect(performance.now() - beganAtMs).toBeLessThan(3_000)
})

test.each([
  ['boundary="a b"', 'a b'],
  ['charset=x; boundary=abc', 'abc'],
  ['Boundary=XX; x=y', 'XX'],
  ['boundary=XX ; ', 'XX'],
  ['boundary = "XX" ', 'XX'],
  ['boundary=----=_Part_1:2/3,4?5(6)', '----=_Part_1:2/3,4?5(6)'],
  ['boundary=~abc|', '~abc|'],
  ['charset="; x="; boundary=XX', 'XX'],
  [`boundary=${'x'.repeat(70)}`, 'x'.repeat(70)],
])('%s names a boundary', (parameters, boundary) => {
  expect(boundaryOf(`multipart/form-data; ${parameters}`)).toBe(boundary)
})

test.each([
  'charset=x',
  'boundary=',
  'boundary=""',
  'boundary="a',
  'boundary=a b',
  'boundary=a; boundary=b',
  'boundary=a; Boundary="a"',
  'boundary=a, multipart/form-data; boundary=b',
  "boundary*=utf-8''a",
  "boundary=a; boundary*=utf-8''b",
  'x="; boundary=a; "; boundary=b',
  'boundary="a\\b"',
  'boundary="a "',
  'boundary=<a>',
  'boundary=ü',
  `boundary=${'x'.repeat(71)}`,
])('%s names no boundary, or could name two', (parameters) => {
  expect(boundaryOf(`multipart/form-data; ${parameters}`)).toBeUndefined()
})

test('a large file reaches the upstream as it was, also when the first one failed, and is not held in memory', async () => {
  await using failing = await openUpstream({ script: () => status(503) })
  await using spare = await openUpstream({ name: 'spare' })
  await using gateway = await openTestGateway(
    {
      deployments: [deployment('a', [failing.baseUrl])],
      providers: [provider('b', spare.baseUrl)],
      routes: [route('chat', ['dep_a'], { fallback: ['pmd_b'] })],
    },
    { maxRequestBytes: 64 * 1024 * 1024 },
  )
  const file = Buffer.alloc(20 * 1024 * 1024, 'signalbox ')
  const boundary = 'x7yZ'
  const form = (model: string) =>
    Buffer.concat([
      Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n`),
      file,
      Buffer.from(
        `\r\n--${boundary}\r\nContent-Disposition: form-data; name="model"\r\n\r\n${model}\r\n--${boundary}--\r\n`,
      ),
    ])
  const answer = await gateway.post('/audio/transcriptions', form('chat'), {
    'content-type': `multipart/form-data; boundary=${boundary}`,
  })
  expect(await answer.json()).toMatchObject({ text: 'hello from spare' })
  expect(spare.requests[0]!.body.equals(form('model-of-b'))).toBe(true)
  expect(failing.requests[0]!.body.equals(form('served-a'))).toBe(true)
  expect(spare.requests[0]!.headers['content-length']).toBe(String(form('model-of-b').length))
})

test('a form over the limit is refused by what arrives', async () => {
  await using upstream = await openUpstream()
  await using gateway = await openTestGateway({
    deployments: [deployment('a', [upstream.baseUrl])],
    routes: [route('chat', ['dep_a'])],
  })
  const form = new FormData()
  form.append('file', new Blob([Buffer.alloc(5 * 1024 * 1024)]), 'a.wav')
  form.append('model', 'chat')
  const answer = await fetch(`${gateway.origin}/v1/audio/transcriptions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${gateway.key}` },
    body: form,
  })
  expect(answer.status).toBe(413)
  expect(upstream.requests).toHaveLength(0)
})

test.each([
  [
    'a form with two names in a part',
    part('model', 'chat').replace('; name', '; name="file"; name'),
    'a part has two names',
  ],
  ['a form without an end', part('model', 'chat'), 'it stops before its last boundary'],
])('%s never reaches an upstream, and its client is told why', async (_what, form, detail) => {
  await using upstream = await openUpstream()
  await using gateway = await openTestGateway({
    deployments: [deployment('a', [upstream.baseUrl])],
    routes: [route('chat', ['dep_a'])],
  })
  const answer = await gateway.post('/audio/transcriptions', form, {
    'content-type': 'multipart/form-data; boundary=b0und',
  })
  expect(answer.status).toBe(400)
  expect(await answer.json()).toMatchObject({
    error: { code: 'invalid_multipart', message: `The body is not well-formed multipart/form-data: ${detail}.` },
  })
  expect(upstream.requests).toHaveLength(0)
})
