/** What clients send that are not quite as the documentation has it: paths, keys, codings, web pages, WebSockets. */
import { request as httpRequest } from 'node:http'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import Anthropic from '@anthropic-ai/sdk'
import { AzureOpenAI, toFile } from 'openai'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openUpstream, type Upstream } from '../../support/upstream.ts'
import { status, stream } from '../../support/replies.ts'
import {
  deployment,
  openTestGateway,
  route,
  type TestGateway,
  type TestGatewayOptions,
  testKey,
} from '../support/open-test-gateway.ts'

const open = { access: { policy: 'PUBLIC', userIds: [], apiKeyIds: [] } } as const
const megabyte = 1024 * 1024

let opened: AsyncDisposableStack
let upstream: Upstream
let gateway: TestGateway

beforeEach(async () => {
  opened = new AsyncDisposableStack()
  upstream = opened.use(await openUpstream({ name: 'a' }))
  await openGateway()
})

afterEach(() => opened.disposeAsync())

async function openGateway(options: TestGatewayOptions = {}): Promise<void> {
  const routes = [route('chat', ['dep_a']), route('other', ['dep_a']), route('open', ['dep_a'], open)]
  gateway = opened.use(await openTestGateway({ deployments: [deployment('a', [upstream.baseUrl])], routes }, options))
}

const json = { 'content-type': 'application/json' }
const known = { authorization: `Bearer ${testKey}` }

function post(path: string, body: string | Buffer, headers: Record<string, string> = known): Promise<Response> {
  const bytes = typeof body === 'string' ? body : new Uint8Array(body)
  return fetch(gateway.origin + path, { method: 'POST', headers: { ...json, ...headers }, body: bytes })
}

async function codeOf(answer: Response): Promise<string | undefined> {
  return ((await answer.json()) as { error?: { code?: string } }).error?.code
}

const chat = '{"model":"chat","messages":[]}'

// ── paths ──

test.each([
  ['//v1/chat/completions', '/v1/chat/completions'],
  ['/v1//chat/completions/', '/v1/chat/completions'],
  ['/chat/completions', '/v1/chat/completions'],
  ['/v1/v1/messages', '/v1/messages'],
  ['/v1/v2/rerank', '/v2/rerank'],
  ['/messages?beta=true', '/v1/messages?beta=true'],
  ['/openai/v1/chat/completions?api-version=preview', '/v1/chat/completions'],
  ['/openai/responses?api-version=2025-03-01-preview&a=b', '/v1/responses?a=b'],
  ['/v1/chat/completions?api-version=1', '/v1/chat/completions?api-version=1'],
])('%s means %s', async (path, meant) => {
  const answer = await post(path, chat)
  expect(answer.status).toBe(200)
  expect(upstream.requests.map((request) => request.path)).toEqual([meant])
  expect(gateway.records.map(({ operation }) => operation)).toEqual([meant.split('?')[0]])
})

test.each(['/models', '/v1/models/', '/openai/models?api-version=2024-10-21', '//v1/models'])(
  'GET %s lists the models',
  async (path) => {
    const answer = await gateway.get(path)
    expect(await answer.json()).toMatchObject({
      object: 'list',
      data: [{ id: 'chat' }, { id: 'open' }, { id: 'other' }],
    })
  },
)

test.each(['/api/v1/chat/completions', '/v2/chat/completions', '/v1/api/messages'])(
  'the 404 of %s names the right base URL',
  async (path) => {
    const answer = await post(path, chat)
    expect(answer.status).toBe(404)
    const { error } = (await answer.json()) as { error: { code: string; message: string } }
    expect(error).toMatchObject({ code: 'unknown_url' })
    expect(error.message).toContain(`127.0.0.1:${gateway.port}/v1`)
  },
)

test('what upstreams have stored is not to be had, and that is said', async () => {
  const answer = await gateway.get('/v1/responses/resp_1')
  expect(answer.status).toBe(404)
  expect(await answer.text()).toContain('stored')
})

test.each([
  ['no model', '{"messages":[9007199254740993]}', '{"model":"served-a","messages":[9007199254740993]}'],
  ['an empty model', '{"messages":[],"model":""}', '{"messages":[],"model":"served-a"}'],
  ['null', '{"model": null,"messages":[]}', '{"model": "served-a","messages":[]}'],
  ['a model without a route', '{"model":"gpt-4o","messages":[]}', '{"model":"served-a","messages":[]}'],
])('Azure: with %s in the body the deployment is the route', async (_, body, sent) => {
  const answer = await post('/openai/deployments/chat/chat/completions?api-version=2024-10-21', body)
  expect(answer.status).toBe(200)
  expect(answer.headers.get('x-signalbox-route')).toBe('chat')
  expect(upstream.requests[0]).toMatchObject({ path: '/v1/chat/completions' })
  expect(upstream.requests[0]!.body.toString()).toBe(sent)
})

test('Azure: the model of the body counts, if there is such a route; and two models are still refused', async () => {
  const path = '/openai/deployments/chat/chat/completions?api-version=2024-10-21'
  const answer = await post(path, '{"model":"other","messages":[]}', { 'api-key': testKey })
  expect(answer.headers.get('x-signalbox-route')).toBe('other')
  expect(await codeOf(await post(path, '{"model":"other","model":""}'))).toBe('duplicate_model')
  expect(await codeOf(await post(path, '{}'))).toBe('missing_model')
  expect(await codeOf(await post('/openai/deployments/no/chat/completions', chat.replace('chat', 'never')))).toBe(
    'model_not_found',
  )
})

test('Azure: a stream without a model asks for its usage; a form without one gets its part', async () => {
  await post('/openai/deployments/chat/chat/completions', '{"stream":true,"messages":[]}')
  expect(upstream.requests[0]!.json()).toEqual({
    model: 'served-a',
    stream_options: { include_usage: true },
    stream: true,
    messages: [],
  })
  const form = '--XX\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\nx\r\n--XX--\r\n'
  const type = { 'content-type': 'multipart/form-data; boundary=XX', ...known }
  const answer = await post('/openai/deployments/chat/audio/transcriptions', form, type)
  expect(answer.status).toBe(200)
  const sent = upstream.requests[1]!.body.toString()
  expect(sent).toBe(`--XX\r\nContent-Disposition: form-data; name="model"\r\n\r\nserved-a\r\n${form}`)
})

test('Azure: the official client works with a deployment of its own and without', async () => {
  const settings = { apiKey: testKey, apiVersion: '2024-10-21', endpoint: gateway.origin, maxRetries: 0 }
  const plain = new AzureOpenAI(settings)
  const messages = [{ role: 'user', content: 'hi' } as const]
  const answer = await plain.chat.completions.create({ model: 'chat', messages })
  expect(answer.choices[0]?.message.content).toBe('hello from a')
  const deployed = new AzureOpenAI({ ...settings, deployment: 'other' })
  const { response } = await deployed.chat.completions.create({ model: 'gpt-4o', messages }).withResponse()
  expect(response.headers.get('x-signalbox-route')).toBe('other')
  expect((await plain.responses.create({ model: 'chat', input: 'hi' })).output_text).toBe('hello from a')
  expect((await plain.models.list()).data.map(({ id }) => id)).toEqual(['chat', 'open', 'other'])
  const file = await toFile(Buffer.alloc(1_000, 1), 'speech.wav')
  expect((await plain.audio.transcriptions.create({ model: 'chat', file })).text).toBe('hello from a')
  expect(upstream.requests.filter(({ path }) => path.includes('api-version'))).toEqual([])
})

test('Anthropic’s official client lists the models, with a base URL that ends in /v1 as well', async () => {
  for (const baseURL of [gateway.origin, `${gateway.origin}/v1`]) {
    const anthropic = new Anthropic({ apiKey: testKey, baseURL, maxRetries: 0 })
    const ids: string[] = []
    for await (const model of anthropic.models.list({ limit: 2 })) ids.push(model.id)
    expect(ids).toEqual(['chat', 'open', 'other'])
    expect((await anthropic.models.retrieve('chat')).display_name).toBe('chat')
    const message = await anthropic.messages.create({
      model: 'chat',
      max_tokens: 10,
      messages: [{ role: 'user', content: 'hi' }],
    })
    expect(message.content).toMatchObject([{ type: 'text', text: 'hello from a' }])
  }
})

test.each([
  ['LLAMA_CPP', '/v2/rerank', '/v1/rerank'],
  ['SGLANG', '/v2/rerank', '/v1/rerank'],
  ['VLLM', '/v2/rerank', '/v2/rerank'],
  ['OTHER', '/v2/rerank', '/v2/rerank'],
  ['VLLM', '/v1/tokenize', '/tokenize'],
  ['SGLANG', '/v1/tokenize', '/v1/tokenize'],
] as const)('at %s the operation %s is at %s', async (engine, operation, path) => {
  gateway.use({ deployments: [deployment('a', [upstream.baseUrl], { engine })], routes: [route('chat', ['dep_a'])] })
  upstream.setScript(() => status(200, { results: [] }))
  const answer = await post(operation, '{"model":"chat","query":"a","documents":["b"]}')
  expect(answer.status).toBe(200)
  expect(upstream.inferences.map((request) => request.path)).toEqual([path])
  expect(gateway.records).toMatchObject([{ operation }])
})

// ── keys ──

test.each([
  ['the second one is known', { authorization: 'Bearer sbx_wrong', 'x-api-key': testKey }, 'chat', 200],
  ['the third one is known', { authorization: 'Bearer EMPTY', 'x-api-key': 'none', 'api-key': testKey }, 'chat', 200],
  ['a dummy on a public route', { authorization: 'Bearer EMPTY' }, 'open', 200],
  ['Basic on a public route', { authorization: 'Basic b2xsYW1h' }, 'open', 200],
  ['a dummy on a closed route', { authorization: 'Bearer ollama' }, 'chat', 401],
  ['an unknown key of our form on a public route', { authorization: 'Bearer sbx_wrong' }, 'open', 401],
  ['a dummy beside an unknown key of our form', { authorization: 'Bearer none', 'api-key': 'sbx_wrong' }, 'open', 401],
])('of keys: %s', async (_, headers, model, status) => {
  for (let i = 0; i < 2; i++)
    expect((await post('/v1/chat/completions', `{"model":"${model}"}`, headers as {})).status).toBe(status)
})

// ── codings ──

test.each([
  ['gzip', gzipSync],
  ['x-gzip', gzipSync],
  ['zstd', zstdCompressSync],
])('a body in %s reaches the upstream uncompressed, byte for byte', async (coding, compress) => {
  const body = `{"model":"chat","messages":["${'é'.repeat(100_000)}"],"seed":9007199254740993}`
  const answer = await post('/v1/chat/completions', compress(Buffer.from(body)), {
    ...known,
    'content-encoding': coding,
  })
  expect(answer.status).toBe(200)
  expect(upstream.requests[0]!.headers['content-encoding']).toBeUndefined()
  expect(upstream.requests[0]!.body.toString()).toBe(body.replace('"chat"', '"served-a"'))
})

test('a form may be compressed as well', async () => {
  const form = `--XX\r\ncontent-disposition: form-data; name="model"\r\n\r\nchat\r\n--XX\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n${'x'.repeat(megabyte)}\r\n--XX--\r\n`
  const headers = { ...known, 'content-type': 'multipart/form-data; boundary=XX', 'content-encoding': 'gzip' }
  expect((await post('/v1/audio/transcriptions', gzipSync(form), headers)).status).toBe(200)
  expect(upstream.requests[0]!.body.toString()).toBe(form.replace('\r\nchat\r\n', '\r\nserved-a\r\n'))
})

const zipped = gzipSync(chat)
const zstd = zstdCompressSync(chat)

test.each([
  ['gzip that stops early', 'gzip', zipped.subarray(0, -4), 400],
  ['gzip with something behind it', 'gzip', Buffer.concat([zipped, Buffer.from('x')]), 400],
  ['zstd that stops early', 'zstd', zstd.subarray(0, -4), 400],
  ['zstd with something behind it', 'zstd', Buffer.concat([zstd, Buffer.from('x')]), 400],
  ['no gzip at all', 'gzip', Buffer.from(chat), 400],
  ['a bomb of gzip', 'gzip', gzipSync(Buffer.alloc(64 * megabyte, 'x')), 413],
  ['a bomb of zstd', 'zstd', zstdCompressSync(Buffer.alloc(64 * megabyte, 'x')), 413],
  ['brotli', 'br', Buffer.from(chat), 415],
  ['two codings', 'gzip, zstd', zipped, 415],
])('%s is refused, and the next request is served', async (_, coding, body, status) => {
  const answer = await post('/v1/chat/completions', body, { ...known, 'content-encoding': coding })
  expect(answer.status).toBe(status)
  expect(answer.headers.get('accept-encoding')).toBe(status === 415 ? 'gzip, zstd' : null)
  expect(upstream.requests).toHaveLength(0)
  expect((await post('/v1/chat/completions', chat)).status).toBe(200)
  expect(gateway.gateway.inFlight).toBe(0)
})

test.each([
  ['application/json; charset=utf-8', 200],
  ['application/json;charset="UTF-8"', 200],
  ['application/json; charset=utf-16', 415],
  ['application/json; charset=iso-8859-1', 415],
  ['application/json; charset=utf-8; charset=utf-16', 415],
])('JSON as %s is answered %d', async (type, status) => {
  expect((await post('/v1/chat/completions', chat, { ...known, 'content-type': type })).status).toBe(status)
})

// ── streams, WebSockets ──

test('a stream tells proxies not to keep its events', async () => {
  upstream.answerNext(stream([{ choices: [{ index: 0, delta: { content: 'hi' }, finish_reason: 'stop' }] }, '[DONE]']))
  const answer = await post('/v1/chat/completions', '{"model":"chat","messages":[],"stream":true}')
  expect(answer.headers.get('x-accel-buffering')).toBe('no')
  await answer.text()
})

test.each(['/v1/responses', '/v1/realtime?model=chat'])('a WebSocket at %s is 426', async (path) => {
  const headers = { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13', ...known }
  const request = httpRequest(gateway.origin + path, { headers }).end()
  const answered = Promise.withResolvers<{ status: number | undefined; upgrade: string | undefined }>()
  request.on('response', (answer) => {
    answered.resolve({ status: answer.statusCode, upgrade: answer.headers.upgrade })
    answer.resume()
  })
  expect(await answered.promise).toEqual({ status: 426, upgrade: 'HTTP/1.1' })
})

test('another upgrade is left out, and the request is served', async () => {
  const headers = { connection: 'Upgrade, HTTP2-Settings', upgrade: 'h2c', ...known, ...json }
  const request = httpRequest(`${gateway.origin}/v1/chat/completions`, { method: 'POST', headers }).end(chat)
  const answered = Promise.withResolvers<number | undefined>()
  request.on('response', (answer) => answered.resolve(answer.resume().statusCode))
  expect(await answered.promise).toBe(200)
})

// ── web pages ──

const page = 'https://app.example.com'

function preflight(origin: string): Promise<Response> {
  const headers = {
    origin,
    'access-control-request-method': 'POST',
    'access-control-request-headers': 'authorization,content-type,x-stainless-os',
  }
  return fetch(`${gateway.origin}/v1/chat/completions`, { method: 'OPTIONS', headers })
}

test('no page may use the gateway unless it is told so', async () => {
  const asked = await preflight(page)
  expect(asked.status).toBe(405)
  expect([...asked.headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([])
  const answer = await post('/v1/chat/completions', chat, { ...known, origin: page })
  expect(answer.headers.get('access-control-allow-origin')).toBe(null)
})

test('a page of an origin that is allowed is answered, errors and refusals included', async () => {
  await openGateway({ corsOrigins: new Set([page]) })
  const asked = await preflight(page)
  expect(asked.status).toBe(204)
  expect(asked.headers.get('access-control-allow-origin')).toBe(page)
  expect(asked.headers.get('access-control-allow-methods')).toContain('POST')
  expect(asked.headers.get('access-control-allow-headers')).toBe('authorization,content-type,x-stainless-os')
  expect(asked.headers.get('vary')).toMatch(/\borigin\b/)
  expect(gateway.records).toEqual([])
  for (const [headers, body, status] of [
    [known, chat, 200],
    [{}, '{"model":"chat"}', 401],
    [known, '{', 400],
  ] as const) {
    const answer = await post('/v1/chat/completions', body, { ...headers, origin: page })
    expect(answer.status).toBe(status)
    expect(answer.headers.get('access-control-allow-origin')).toBe(page)
    expect(answer.headers.get('access-control-expose-headers')).toContain('x-signalbox-route')
    expect(answer.headers.get('vary')).toContain('origin')
  }
})

test('a page of another origin is not answered as if it might', async () => {
  await openGateway({ corsOrigins: new Set([page]) })
  for (const origin of ['https://app.example.com.evil.test', 'http://app.example.com', 'null']) {
    expect((await preflight(origin)).headers.get('access-control-allow-origin')).toBe(null)
    const answer = await post('/v1/chat/completions', chat, { ...known, origin })
    expect(answer.headers.get('access-control-allow-origin')).toBe(null)
    expect(answer.headers.get('vary')).toContain('origin')
  }
  expect((await post('/v1/chat/completions', chat)).headers.get('vary')).toContain('origin')
})

test('any page may, if all may', async () => {
  await openGateway({ corsOrigins: '*' })
  expect((await preflight('null')).headers.get('access-control-allow-origin')).toBe('*')
  const answer = await post('/v1/chat/completions', chat, { ...known, origin: page })
  expect(answer.headers.get('access-control-allow-origin')).toBe('*')
})

// ── models ──

const version = { 'anthropic-version': '2023-06-01' }

test('Anthropic’s clients get the models in their form, in pages if they ask for pages', async () => {
  const list = async (query = '') => await (await gateway.get(`/v1/models${query}`, version)).json()
  const model = (id: string) => ({ type: 'model', id, display_name: id, created_at: '2023-11-14T22:13:20Z' })
  expect(await list()).toEqual({
    data: [model('chat'), model('open'), model('other')],
    has_more: false,
    first_id: 'chat',
    last_id: 'other',
  })
  expect(await list('?limit=2')).toMatchObject({
    data: [{ id: 'chat' }, { id: 'open' }],
    has_more: true,
    last_id: 'open',
  })
  expect(await list('?limit=2&after_id=open')).toMatchObject({ data: [{ id: 'other' }], has_more: false })
  expect(await list('?limit=1&before_id=other')).toMatchObject({ data: [{ id: 'open' }], has_more: true })
  expect(await (await gateway.get('/v1/models/chat', version)).json()).toEqual(model('chat'))
  const missing = await gateway.get('/v1/models/never', version)
  expect(missing.status).toBe(404)
  expect(await missing.json()).toMatchObject({ type: 'error', error: { type: 'not_found_error' } })
})

test('the list of models follows the configuration, and is each caller’s own', async () => {
  const idsFor = async (headers: Record<string, string>) => {
    const answer = await fetch(`${gateway.origin}/v1/models`, { headers })
    return ((await answer.json()) as { data: { id: string }[] }).data.map(({ id }) => id)
  }
  for (let i = 0; i < 2; i++) {
    expect(await idsFor(known)).toEqual(['chat', 'open', 'other'])
    expect(await idsFor({})).toEqual(['open'])
  }
  const routes = [route('chat', ['dep_a']), route('open', ['dep_a'], open)]
  gateway.use({ deployments: [deployment('a', [upstream.baseUrl])], routes })
  expect(await idsFor(known)).toEqual(['chat', 'open'])
})
