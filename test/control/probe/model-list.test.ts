/** What servers answer to "which models do you have?", in all the forms in which it is met. */
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { probeProvider } from '../../../src/control/provider/probe.ts'
import { openTestControl, refusalOf, valueOf } from '../../support/control.ts'
import { raw, status } from '../../support/replies.ts'
import { openUpstream, type Upstream } from '../../support/upstream.ts'

const secret = 'sk-probe-0123456789'
const json = { 'content-type': 'application/json' }

async function probe(upstream: Upstream) {
  await using control = await openTestControl()
  return await probeProvider(control, { draft: { baseUrl: upstream.baseUrl, secret } })
}

async function namesAt(upstream: Upstream): Promise<string[]> {
  return valueOf(await probe(upstream)).models.map((model) => model.upstreamModel)
}

test.each([
  ['objects with `id`', { data: [{ id: 'a' }, { id: 'b' }] }],
  ['objects with `name`', { models: [{ name: 'a' }, { name: 'b' }] }],
  ['objects with `model`', { models: [{ model: 'a' }, { model: 'b' }] }],
  [
    'objects whose `id` is no text',
    {
      data: [
        { id: 1, name: 'a' },
        { id: null, model: 'b' },
      ],
    },
  ],
  ['bare strings', ['a', 'b']],
  ['bare strings in `data`', { data: ['a', 'b'] }],
  ['bare strings in `models`', { models: ['a', 'b'] }],
  ['a bare list of objects', [{ id: 'a' }, { name: 'b' }]],
  ['a mixture, with what is no model', { data: ['a', 7, null, {}, { id: 'b' }, ['c']] }],
])('a list of %s is read', async (_what, body) => {
  await using upstream = await openUpstream(() => status(200, body))
  expect(await namesAt(upstream)).toEqual(['a', 'b'])
})

test.each([
  ['gzip', gzipSync],
  ['br', brotliCompressSync],
])('an answer in %s that nobody asked for is read, behind a byte order mark too', async (coding, compress) => {
  const body = compress(Buffer.from('\ufeff{"data":[{"id":"a"}]}'))
  await using upstream = await openUpstream(() => ({ response }) => {
    response.writeHead(200, { ...json, 'content-encoding': coding }).end(body)
  })
  expect(await namesAt(upstream)).toEqual(['a'])
})

test('a small answer that becomes a large one is cut off at the bound', async () => {
  const body = gzipSync(
    Buffer.concat([Buffer.from('{"data":["'), Buffer.alloc(64 * 1024 * 1024, 'a'), Buffer.from('"]}')]),
  )
  await using upstream = await openUpstream(() => ({ response }) => {
    response.writeHead(200, { ...json, 'content-encoding': 'gzip' }).end(body)
  })
  expect(refusalOf(await probe(upstream)).message).toContain('no list of models')
})

test('an answer that is no gzip, though it says so, is a failure that says what to do', async () => {
  await using upstream = await openUpstream(() =>
    raw('HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\n{}'),
  )
  expect(refusalOf(await probe(upstream))).toMatchObject({ code: 'UPSTREAM_FAILED' })
})

test('pages of a compatible server are followed, by its own cursor or the last name', async () => {
  const pages: Record<string, object> = {
    '': { data: [{ id: 'a' }, { id: 'b' }], has_more: true, last_id: 'cursor-b' },
    'cursor-b': { data: [{ id: 'c' }], has_more: true },
    c: { data: [{ id: 'd' }], has_more: false },
  }
  await using upstream = await openUpstream(({ path }) =>
    status(200, pages[new URL(path, 'http://x').searchParams.get('after') ?? '']),
  )
  expect(await namesAt(upstream)).toEqual(['a', 'b', 'c', 'd'])
})

test('a server that has more for ever is asked ten times, and one that repeats its page twice', async () => {
  let page = 0
  await using endless = await openUpstream(() => status(200, { data: [{ id: `m${page++}` }], has_more: true }))
  expect(await namesAt(endless)).toHaveLength(10)
  await using repeating = await openUpstream(() => status(200, { data: [{ id: 'm' }], has_more: true }))
  expect(await namesAt(repeating)).toEqual(['m'])
  expect(repeating.requests).toHaveLength(2)
})

test.each([
  ['OpenAI', { error: { message: 'Your account is not active.', code: 'billing' } }, 'Your account is not active.'],
  ['FastAPI', { detail: 'Not authenticated' }, 'Not authenticated'],
  ['Ollama', { error: 'no such thing' }, 'no such thing'],
  ['a vendor that quotes the key', { error: { message: `Bad key ${secret}.\n\u0007Look` } }, 'Bad key ***. Look'],
])("the reason in %s's words is shown, on one line and without secrets", async (_vendor, body, said) => {
  await using upstream = await openUpstream(() => status(403, body))
  const { message } = refusalOf(await probe(upstream))
  expect(message).toContain(JSON.stringify(said))
  expect(message).not.toContain(secret)
})

test('a reason of 100 KB is cut off', async () => {
  await using upstream = await openUpstream(() => status(500, { error: { message: 'x'.repeat(100_000) } }))
  expect(refusalOf(await probe(upstream)).message.length).toBeLessThan(700)
})
