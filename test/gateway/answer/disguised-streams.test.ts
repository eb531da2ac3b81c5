/** Streams that do not say that they are, and answers that are compressed although they were asked not to be. */
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { expect, test } from 'vitest'
import type { Reply } from '../../support/exchange.ts'
import { openUpstream } from '../../support/upstream.ts'
import { deployment, openTestGateway, route, type TestGateway } from '../support/open-test-gateway.ts'

const events = [
  ': warming up\n\n',
  'data: {"choices":[{"index":0,"delta":{"content":"Hel"}}]}\n\n',
  'data: {"choices":[{"index":0,"delta":{"content":"lo"}}]}\n\n',
  'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n',
  'data: {"choices":[],"usage":{"prompt_tokens":11,"completion_tokens":7,"total_tokens":18}}\n\n',
  'data: [DONE]\n\n',
].join('')
const plain = JSON.stringify({
  choices: [{ index: 0, message: { role: 'assistant', content: 'Hello' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 },
})
const codings = [
  ['gzip', gzipSync],
  ['deflate', deflateSync],
  ['deflate', deflateRawSync],
  ['br', brotliCompressSync],
  ['zstd', zstdCompressSync],
] as const

/** The body in pieces of so many bytes, with these headers. */
function inPieces(body: string | Buffer, length: number, headers: Record<string, string>, code = 200): Reply {
  return async ({ response }) => {
    const bytes = Buffer.from(body)
    response.writeHead(code, headers)
    for (let at = 0; at < bytes.length; at += length) {
      response.write(bytes.subarray(at, at + length))
      await new Promise(setImmediate)
    }
    response.end()
  }
}

function ask(gateway: TestGateway, stream: boolean): Promise<Response> {
  return gateway.post('/chat/completions', { model: 'chat', messages: [{ role: 'user', content: 'hi' }], stream })
}

async function openPair(reply: Reply) {
  const upstream = await openUpstream({ script: () => reply })
  const spare = await openUpstream({ name: 'spare' })
  const gateway = await openTestGateway({
    deployments: [deployment('main', [upstream.baseUrl]), deployment('spare', [spare.baseUrl])],
    routes: [route('chat', ['dep_main'], { fallback: ['dep_spare'] })],
  })
  return {
    gateway,
    [Symbol.asyncDispose]: async () => {
      await gateway[Symbol.asyncDispose]()
      await upstream.close()
      await spare.close()
    },
  }
}

const served = [{ outcome: 'OK', tokens: { inputTokens: 11, outputTokens: 7 }, provenance: 'REPORTED' }]

test.each([
  ['no content type', {}],
  ['a type for text', { 'content-type': 'text/plain' }],
  ['a type for JSON', { 'content-type': 'application/json' }],
  ['a type for pages', { 'content-type': 'text/html' }],
])('a stream with %s is read as one, however it is cut', async (_, headers) => {
  for (const length of [1, 7, 10_000]) {
    await using pair = await openPair(inPieces(events, length, headers))
    const answer = await ask(pair.gateway, true)
    expect(answer.headers.get('content-type')).toContain('text/event-stream')
    const text = await answer.text()
    expect(text).toContain('Hel')
    expect(text).toContain('[DONE]')
    expect(text).not.toContain('"usage"')
    expect(pair.gateway.records).toMatchObject(served)
  }
})

test.each(codings)('a stream that came in %s is read and passes without', async (coding, compress) => {
  for (const length of [1, 10_000]) {
    const headers = { 'content-type': 'text/event-stream', 'content-encoding': coding }
    await using pair = await openPair(inPieces(compress(Buffer.from(events)), length, headers))
    const answer = await ask(pair.gateway, true)
    expect(answer.headers.has('content-encoding')).toBe(false)
    expect(await answer.text()).toContain('[DONE]')
    expect(pair.gateway.records).toMatchObject(served)
  }
})

test.each(codings)('a plain answer that came in %s is read and passes without', async (coding, compress) => {
  const headers = { 'content-type': 'application/json', 'content-encoding': coding }
  await using pair = await openPair(inPieces(compress(Buffer.from(plain)), 50, headers))
  const answer = await ask(pair.gateway, false)
  expect(answer.headers.has('content-encoding')).toBe(false)
  expect(await answer.text()).toBe(plain)
  expect(pair.gateway.records).toMatchObject(served)
})

test('an error that came in gzip is read', async () => {
  const error = gzipSync(JSON.stringify({ error: { message: 'Your credit balance is too low', type: 'x' } }))
  const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip' }
  await using pair = await openPair(inPieces(error, 10, headers, 400))
  expect((await ask(pair.gateway, false)).headers.get('x-signalbox-fallback')).toBe('upstream_auth')
})

test.each([
  ['is not what it says', Buffer.from('this is no gzip')],
  ['is cut in the middle', gzipSync(events).subarray(0, 30)],
])('a compressed stream that %s is followed by the fallback', async (_, body) => {
  const headers = { 'content-type': 'text/event-stream', 'content-encoding': 'gzip' }
  await using pair = await openPair(inPieces(body, 1_000, headers))
  const answer = await ask(pair.gateway, true)
  expect(await answer.text()).toContain('spare')
})
