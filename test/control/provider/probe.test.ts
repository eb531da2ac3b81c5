import { createServer } from 'node:http'
import { createServer as createTcpServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { createProvider } from '../../../src/control/provider/create.ts'
import { probeProvider, type ProviderDraftInput } from '../../../src/control/provider/probe.ts'
import { openUpstreamHttp } from '../../../src/server/upstream/http.ts'
import { administrator, openTestControl, refusalOf, type TestControl, valueOf } from '../../support/control.ts'
import { cutBody, hangUp, raw, reset, status } from '../../support/replies.ts'
import { openUpstream, refusingBaseUrl, type Script } from '../../support/upstream.ts'

const secret = 'sk-probe-0123456789'

function probeDraft(control: TestControl, draft: ProviderDraftInput) {
  return probeProvider(control, { draft })
}

async function namesAt(control: TestControl, draft: ProviderDraftInput): Promise<string[]> {
  return valueOf(await probeDraft(control, draft)).models.map((model) => model.upstreamModel)
}

test('a provider that is stored is asked with its secret, its headers and through its base URL', async () => {
  await using control = await openTestControl()
  await using upstream = await openUpstream({ models: ['gpt-x', 'bge-m3', 'mystery'], secret })
  valueOf(
    await createProvider(control, administrator, {
      name: 'p',
      baseUrl: upstream.baseUrl,
      secrets: [secret],
      headers: [{ name: 'X-Team', value: 'blue' }],
      models: [{ upstreamModel: 'bge-m3' }, { upstreamModel: 'gone' }],
    }),
  )
  const { models, latencyMs } = valueOf(await probeProvider(control, { stored: { name: 'p' } }))
  const provider = { kind: 'OPENAI_COMPATIBLE', baseUrl: upstream.baseUrl }
  expect(models).toEqual([
    { upstreamModel: 'gpt-x', categories: ['LLM'], selected: false, provider },
    { upstreamModel: 'bge-m3', categories: ['EMBEDDING'], selected: true, provider },
    { upstreamModel: 'mystery', categories: ['UNKNOWN'], selected: false, provider },
  ])
  expect(latencyMs).toBeGreaterThan(0)
  expect(upstream.requests.map(({ method, path }) => `${method} ${path}`)).toEqual(['GET /v1/models'])
  expect(upstream.requests[0]?.headers).toMatchObject({ authorization: `Bearer ${secret}`, 'x-team': 'blue' })
})

test('a provider that is not stored is asked as it would be, and nothing of it is kept', async () => {
  await using control = await openTestControl()
  await using upstream = await openUpstream({ models: ['m'], secret })
  expect(await namesAt(control, { baseUrl: `${upstream.baseUrl}/`, secret })).toEqual(['m'])
  expect(control.snapshots.current().version).toBe(0)
  expect(await control.db.selectFrom('audit_entry').selectAll().execute()).toEqual([])
})

test('an empty list is no failure', async () => {
  await using control = await openTestControl()
  await using upstream = await openUpstream()
  for (const body of [{ object: 'list', data: [] }, { object: 'list', data: null }, { models: [] }, []]) {
    upstream.answerNext(status(200, body))
    expect(await namesAt(control, { baseUrl: upstream.baseUrl })).toEqual([])
  }
})

test('the next secret is asked with if one is not accepted', async () => {
  await using control = await openTestControl()
  await using upstream = await openUpstream({ models: ['m'], secret })
  const secrets = ['sk-expired', secret, 'sk-never-asked']
  valueOf(await createProvider(control, administrator, { name: 'p', baseUrl: upstream.baseUrl, secrets }))
  expect(valueOf(await probeProvider(control, { stored: { name: 'p' } })).models).toHaveLength(1)
  expect(upstream.requests.map(({ headers }) => headers.authorization)).toEqual([
    'Bearer sk-expired',
    `Bearer ${secret}`,
  ])
})

test('an unknown provider, a bad draft and a forbidden address are refused at their place, without a call', async () => {
  await using control = await openTestControl()
  const unknown = await probeProvider(control, { stored: { name: 'nobody' } })
  expect(refusalOf(unknown)).toMatchObject({ code: 'NOT_FOUND', path: ['input', 'stored'] })
  for (const [draft, code, member] of [
    [{ baseUrl: 'http://192.0.2.1/v1' }, 'UNSAFE_URL', 'baseUrl'],
    [{ baseUrl: 'http://10.0.0.1' }, 'INVALID', 'baseUrl'],
    [{ kind: 'AZURE_OPENAI' }, 'INVALID', 'baseUrl'],
    [{ baseUrl: 'http://10.0.0.1/v1', secret: 'a b' }, 'INVALID', 'secret'],
    [{ baseUrl: 'http://10.0.0.1/v1', proxyUrl: 'http://192.0.2.1:1' }, 'UNSAFE_URL', 'proxyUrl'],
  ] as const)
    expect(refusalOf(await probeDraft(control, draft))).toMatchObject({ code, path: ['input', 'draft', member] })
})

const page = '<!doctype html><title>Welcome</title>'

test.each([
  ['401 with a secret', status(401), /answered 401: it does not accept the secret/],
  ['403 with a secret', status(403), /answered 403: it does not accept the secret/],
  ['404', status(404), /answered 404: there is nothing at this address/],
  ['405', status(405), /answered 405/],
  ['429', status(429), /answered 429: it takes no more calls/],
  ['500', status(500), /answered 500: the server itself failed/],
  ['418', status(418), /answered 418: it did not like the call/],
  [
    'a redirect',
    status(302, '', { location: 'http://10.0.0.1/secret-place' }),
    /answered 302: redirects are not followed/,
  ],
  ['a web page', status(200, page), /no list of models/],
  ['broken JSON', status(200, '{"data": [', { 'content-type': 'application/json' }), /no list of models/],
  ['JSON that is no list', status(200, { hello: 'world' }), /no list of models/],
  ['a JSON text', status(200, '"data"'), /no list of models/],
  ['more than 4 MiB', status(200, `{"data": [${'1,'.repeat(2_200_000)}1]}`), /no list of models/],
  ['a reset', reset(), /closed the connection without an answer\. Does it want https\?/],
  ['a hang-up', hangUp(), /closed the connection without an answer/],
  ['a body that breaks off', cutBody('{"data": ['), /closed the connection/],
  ['no HTTP', raw('SSH-2.0-OpenSSH_9.2\r\n'), /not HTTP/],
] as const)('%s is told with what to do about it, and without a secret', async (_what, reply, message) => {
  await using control = await openTestControl()
  await using upstream = await openUpstream()
  upstream.answerNext(reply)
  const refusal = refusalOf(await probeDraft(control, { baseUrl: upstream.baseUrl, secret }))
  expect(refusal).toMatchObject({ code: 'UPSTREAM_FAILED', path: ['input', 'draft'] })
  expect(refusal.message).toMatch(message)
  expect(refusal.message).toContain(`GET ${upstream.baseUrl}/models `)
  expect(refusal.message).not.toMatch(/sk-probe|secret-place/)
  expect(upstream.requests).toHaveLength(1)
})

test('where nobody listens, a name that nobody knows, and a missing secret are told apart', async () => {
  await using control = await openTestControl()
  const messageOf = async (draft: ProviderDraftInput) => refusalOf(await probeDraft(control, draft)).message
  expect(await messageOf({ baseUrl: await refusingBaseUrl() })).toMatch(
    /nothing listens at 127\.0\.0\.1:\d+.*container/,
  )
  expect(await messageOf({ baseUrl: 'http://no-such-host.invalid/v1' })).toMatch(
    /nobody knows the host name no-such-host/,
  )
  await using upstream = await openUpstream({ secret })
  expect(await messageOf({ baseUrl: upstream.baseUrl })).toMatch(/wants a secret, and none was given/)
  expect(await messageOf({ baseUrl: `${upstream.origin}/api`, secret })).toMatch(/Most base URLs end in \/v1/)
  expect(await messageOf({ baseUrl: upstream.baseUrl.replace('http:', 'https:') })).toMatch(/no TLS connection/)
  upstream.answerNext(status(404))
  const hunyuan = await messageOf({ kind: 'HUNYUAN', baseUrl: upstream.baseUrl })
  expect(hunyuan).toMatch(/HUNYUAN documents no list of models: enter the names of its models by hand/)
})

test('an address that may not be called is refused when it is connected to, whatever its name says', async () => {
  await using control = await openTestControl()
  await using upstream = await openUpstream({ models: ['m'] })
  await using upstreamHttp = openUpstreamHttp({
    isAllowedAddress: (address) => !/^(::ffff:)?127\.|^::1$/.test(address),
  })
  const guarded = { ...control, upstreamHttp }
  for (const host of ['127.0.0.1', 'localhost', '2130706433', '0x7f.1', '[::ffff:7f00:1]', '[::1]']) {
    const draft = { baseUrl: `http://${host}:${upstream.port}/v1`, secret }
    const refusal = refusalOf(await probeProvider(guarded, { draft }))
    expect(refusal.message).toMatch(/was not sent: the address .* may not be called/)
  }
  expect(upstream.requests).toEqual([])
})

test('a call ends when the process does', async () => {
  await using control = await openTestControl()
  await using upstream = await openUpstream({ script: () => () => undefined })
  const upstreamHttp = openUpstreamHttp({ isAllowedAddress: () => true })
  const probing = probeProvider({ ...control, upstreamHttp }, { draft: { baseUrl: upstream.baseUrl } })
  await expect.poll(() => upstream.requests.length).toBe(1)
  await upstreamHttp[Symbol.asyncDispose]()
  expect(refusalOf(await probing).code).toBe('UPSTREAM_FAILED')
  await upstream.requests[0]?.closed
})

/** Serves `pages` one after the other, the next one to whoever has the cursor of the one before. */
function paged(pages: readonly object[], parameter: string): Script {
  return ({ path }) => {
    const cursor = new URL(path, 'http://x').searchParams.get(parameter)
    return status(200, pages[cursor === null ? 0 : Number(cursor)] ?? {})
  }
}

test('Anthropic is asked for its pages with its own headers', async () => {
  await using control = await openTestControl()
  const pages = [
    { data: [{ type: 'model', id: 'claude-a' }], has_more: true, last_id: '1' },
    { data: [{ type: 'model', id: 'claude-b' }], has_more: false, last_id: '2' },
  ]
  await using upstream = await openUpstream({ script: paged(pages, 'after_id') })
  expect(await namesAt(control, { kind: 'ANTHROPIC', baseUrl: upstream.baseUrl, secret })).toEqual([
    'claude-a',
    'claude-b',
  ])
  expect(upstream.requests.map(({ path }) => path)).toEqual([
    '/v1/models?limit=1000',
    '/v1/models?limit=1000&after_id=1',
  ])
  const { headers } = upstream.requests[0]!
  expect(headers).toMatchObject({ 'x-api-key': secret, 'anthropic-version': '2023-06-01' })
  expect(headers.authorization).toBeUndefined()
})

test('Cohere is asked for its pages, and what a model is for is read from its endpoints', async () => {
  await using control = await openTestControl()
  const pages = [
    { models: [{ name: 'one', endpoints: ['chat', 'generate'] }], next_page_token: '1' },
    {
      models: [
        { name: 'two', endpoints: ['rerank'] },
        { name: 'embed-three', endpoints: [] },
      ],
      next_page_token: '',
    },
  ]
  await using upstream = await openUpstream({ script: paged(pages, 'page_token') })
  const { models } = valueOf(await probeDraft(control, { kind: 'COHERE', baseUrl: upstream.baseUrl, secret }))
  expect(models.map((model) => [model.upstreamModel, model.categories])).toEqual([
    ['one', ['LLM']],
    ['two', ['RERANKER']],
    ['embed-three', ['EMBEDDING']],
  ])
})

test('pages without end are ended', async () => {
  await using control = await openTestControl()
  const endless: Script = ({ index }) =>
    status(200, { data: [{ id: `m${index}` }, { id: 'again' }], has_more: true, last_id: 'x&limit=1' })
  await using upstream = await openUpstream({ script: endless })
  expect(await namesAt(control, { kind: 'ANTHROPIC', baseUrl: upstream.baseUrl })).toHaveLength(11)
  expect(upstream.requests).toHaveLength(10)
  expect(upstream.requests[1]?.path).toBe('/v1/models?limit=1000&after_id=x%26limit%3D1')
})

test('lists are read as Together, OpenRouter, Mistral and Gemini write them, and unusable names are left out', async () => {
  await using control = await openTestControl()
  await using upstream = await openUpstream()
  const read = async (kind: NonNullable<ProviderDraftInput['kind']>, body: object) => {
    upstream.answerNext(status(200, body))
    const { models } = valueOf(await probeDraft(control, { kind, baseUrl: upstream.baseUrl }))
    return models.map((model) => [model.upstreamModel, ...model.categories])
  }
  expect(
    await read('TOGETHER', [
      { id: 'a', type: 'chat' },
      { id: 'b', type: 'transcribe' },
      { id: 'c', type: 'constructor' },
    ]),
  ).toEqual([
    ['a', 'LLM'],
    ['b', 'SPEECH_TO_TEXT'],
    ['c', 'UNKNOWN'],
  ])
  expect(
    await read('OPENROUTER', { data: [{ id: 'x/y', architecture: { output_modalities: ['text', 'image'] } }] }),
  ).toEqual([['x/y', 'LLM', 'IMAGE']])
  expect(
    await read('MISTRAL', {
      object: 'list',
      data: [
        { id: 'odd-name', capabilities: { completion_chat: true } },
        { id: 'mistral-embed', capabilities: { completion_chat: false } },
      ],
    }),
  ).toEqual([
    ['odd-name', 'LLM'],
    ['mistral-embed', 'EMBEDDING'],
  ])
  expect(await read('GOOGLE_GEMINI', { object: 'list', data: [{ id: 'models/gemini-2.5-flash' }] })).toEqual([
    ['gemini-2.5-flash', 'LLM'],
  ])
  const odd = ['ok', '', 'x'.repeat(257), 'new\nline', 7, null]
  expect(await read('OPENAI', { data: [...odd.map((id) => ({ id })), null, [], {}] })).toEqual([['ok', 'UNKNOWN']])
})

test('a proxy is used if one is given, and what is wrong with it is told', async () => {
  await using control = await openTestControl()
  const asked: string[] = []
  const proxy = createServer((request, response) => {
    asked.push(request.url ?? '')
    response.end(JSON.stringify({ data: [{ id: 'by-proxy' }] }))
  })
  proxy.on('connect', (_request, socket) => socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n'))
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  const proxyUrl = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
  const baseUrl = 'http://upstream.invalid/v1'
  expect(await namesAt(control, { baseUrl, proxyUrl })).toEqual(['by-proxy'])
  expect(asked).toEqual([`${baseUrl}/models`])
  const messageOf = async (draft: ProviderDraftInput) => refusalOf(await probeDraft(control, draft)).message
  const secure = 'https://upstream.invalid/v1'
  expect(await messageOf({ baseUrl: secure, proxyUrl })).toMatch(/the proxy refused to connect/)
  proxy.close()
  const nobody = new URL(await refusingBaseUrl()).origin
  expect(await messageOf({ baseUrl: secure, proxyUrl: nobody })).toContain(`nothing listens at ${nobody.slice(7)}`)
})

test('a server that accepts and says nothing is given up on', async () => {
  await using control = await openTestControl()
  const silent = createTcpServer(() => undefined)
  silent.listen(0, '127.0.0.1')
  await once(silent, 'listening')
  const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}/v1/models`
  const request = {
    method: 'GET',
    url,
    headers: new Map(),
    body: null,
    proxyUrl: null,
    caCertificates: null,
    maxBytes: 10,
  } as const
  const result = await control.upstreamHttp.send({ ...request, timeoutMs: 50 })
  expect(result).toMatchObject({ kind: 'failure', cause: 'TIMEOUT' })
  silent.close()
})
