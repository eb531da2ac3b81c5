import { expect, test } from 'vitest'
import * as fc from 'fast-check'
import { boundaryOf, MultipartScan } from '../../src/gateway/multipart-scan.ts'
import { status } from '../support/replies.ts'
import { openUpstream } from '../support/upstream.ts'
import { deployment, openTestGateway, provider, route } from './open-test-gateway.ts'

function scan(chunks: readonly Buffer[], boundary = 'b0und') {
  const scan = new MultipartScan(boundary)
  for (const chunk of chunks) scan.push(chunk)
  return scan.finish()
}

const part = (name: string, content: string, extra = '') =>
  `--b0und\r\nContent-Disposition: form-data; name="${name}"${extra}\r\n\r\n${content}\r\n`

test('the model is found wherever the form is cut, and wherever it stands', () => {
  const file = part(
    'file',
    'RIFF\r\n--b0un\r\nname="model"\r\n\r\nother',
    '; filename="a.wav"\r\nContent-Type: audio/wav',
  )
  const forms = [
    `${part('model', 'chat')}${file}--b0und--\r\n`,
    `${file}${part('stream', 'true')}${part('model', 'chat')}--b0und--`,
    `preamble\r\n${file}${part('model', 'chat')}--b0und--\r\nepilogue --b0und\r\n`,
  ]
  fc.assert(
    fc.property(fc.constantFrom(...forms), fc.array(fc.nat(), { maxLength: 6 }), (form, cuts) => {
      const bytes = Buffer.from(form)
      const ends = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b)
      const result = scan([0, ...ends].map((start, i) => bytes.subarray(start, ends[i] ?? bytes.length)))
      if (!result.ok) throw new Error(result.fault)
      const { model, modelSpan, stream } = result.form
      expect({ model, stream }).toEqual({ model: 'chat', stream: form.includes('"stream"') })
      expect(bytes.subarray(modelSpan.start, modelSpan.end).toString()).toBe('chat')
    }),
    { numRuns: 1000 },
  )
})

test('a form without a model, with two, or cut off is refused', () => {
  const text = (form: string) => scan([Buffer.from(form)])
  expect(text(`${part('file', 'x')}--b0und--`)).toEqual({ ok: false, fault: 'missing_model' })
  expect(text(`${part('model', 'a')}${part('model', 'b')}--b0und--`)).toEqual({ ok: false, fault: 'duplicate_model' })
  expect(text(part('model', 'a'))).toEqual({ ok: false, fault: 'invalid_multipart' })
  expect(text('')).toEqual({ ok: false, fault: 'invalid_multipart' })
  expect(text(`--b0undx\r\n\r\n--b0und--`)).toEqual({ ok: false, fault: 'invalid_multipart' })
  expect(boundaryOf('multipart/form-data; boundary="a b"')).toBe('a b')
  expect(boundaryOf('multipart/form-data; charset=x; boundary=abc')).toBe('abc')
  expect(boundaryOf('multipart/form-data')).toBeUndefined()
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
