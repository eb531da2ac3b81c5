/** The rows of the failure contract, for each operation, plain and streamed. */
import { expect, test } from 'vitest'
import type { Reply } from '../../support/exchange.ts'
import { cutBody, hang, hangUp, raw, reset, status, stream } from '../../support/replies.ts'
import { openUpstream, refusingBaseUrl } from '../../support/upstream.ts'
import { deployment, openTestGateway, provider, route } from '../support/open-test-gateway.ts'
import { type SampleRequest, sampleRequests, streamedRequests } from '../support/sample-requests.ts'

const name = ({ operation, stream: streams }: SampleRequest) => `${operation}${streams ? ' streamed' : ''}`
const named = sampleRequests.map((sample) => [name(sample), sample] as const)

interface Row {
  readonly what: string
  readonly trigger: string
  readonly reply: Reply
  readonly status: number | null
  /** What the client gets if there is no fallback. */
  readonly alone: { readonly status: number; readonly code: string | null }
  /** Of this row alone: a busy machine must not time out the others. */
  readonly timeouts?: { readonly firstByteMs: number; readonly answerMs: number }
}

/** An answer of upstream that its client gets as it came, if nothing better comes. */
function passed(what: string, trigger: string, reply: Reply, code: number): Row {
  return { what, trigger, reply, status: code, alone: { status: code, code: null } }
}

/** A failure that becomes one of the gateway's own errors. */
function told(what: string, trigger: string, reply: Reply, code: number | null, alone: Row['alone']): Row {
  return { what, trigger, reply, status: code, alone }
}

const scripted = { type: 'scripted' }
const page = '<!doctype html><html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>'
const html = { 'content-type': 'text/html' }
const unreachable = { status: 502, code: 'upstream_unreachable' }
const authFailed = { status: 502, code: 'upstream_auth_failed' }
const invalid = { status: 502, code: 'upstream_invalid_answer' }
const quick = { firstByteMs: 1_500, answerMs: 1_500 }

const rows: readonly Row[] = [
  ...[500, 501, 502, 503, 504, 505, 507, 520, 522, 524, 529, 530, 598, 408, 425].map((code) =>
    passed(`${code}`, 'SERVER_ERROR', status(code), code),
  ),
  ...[301, 302, 307].map((code) =>
    told(`${code}`, 'SERVER_ERROR', status(code, '', { location: 'http://127.0.0.1:9/' }), code, invalid),
  ),
  told('an error page', 'SERVER_ERROR', status(503, page, html), 503, { status: 503, code: 'upstream_invalid_answer' }),
  passed('429', 'RATE_LIMITED', status(429), 429),
  ...[401, 402, 403].map((code) => told(`${code}`, 'UPSTREAM_AUTH', status(code), code, authFailed)),
  told(
    'an empty account with 400',
    'UPSTREAM_AUTH',
    status(400, {
      type: 'error',
      error: { type: 'invalid_request_error', message: 'Your credit balance is too low to access the Anthropic API.' },
    }),
    400,
    authFailed,
  ),
  told(
    'a dead key with 400',
    'UPSTREAM_AUTH',
    status(400, [
      {
        error: {
          code: 400,
          message: 'API key not valid. Please pass a valid API key.',
          status: 'INVALID_ARGUMENT',
          details: [{ '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: 'API_KEY_INVALID' }],
        },
      },
    ]),
    400,
    authFailed,
  ),
  passed('404 for the model', 'UPSTREAM_NOT_FOUND', status(404), 404),
  passed('404 for the path', 'UPSTREAM_NOT_FOUND', status(404, { error: 'Not Found' }), 404),
  passed('405', 'UPSTREAM_NOT_FOUND', status(405), 405),
  passed('200 with an error', 'SERVER_ERROR', status(200, { error: { ...scripted, message: 'out of memory' } }), 200),
  passed('200 with an error in words', 'SERVER_ERROR', status(200, { error: 'out of memory' }), 200),
  passed('200 with a code', 'RATE_LIMITED', status(200, { error: { ...scripted, code: 429 }, user_id: 'u' }), 200),
  passed('200 with a failed response', 'SERVER_ERROR', status(200, failedResponse()), 200),
  passed('200 with an error of Anthropic', 'SERVER_ERROR', status(200, anthropicError('overloaded_error')), 200),
  told('200 with a refused key', 'UPSTREAM_AUTH', status(200, anthropicError('authentication_error')), 200, authFailed),
  told('200 with a page', 'SERVER_ERROR', status(200, page, html), 200, invalid),
  told('200 with nothing', 'SERVER_ERROR', status(200, '', { 'content-type': 'application/json' }), 200, invalid),
  told('204', 'SERVER_ERROR', raw('HTTP/1.1 204 No Content\r\n\r\n', 'open'), 204, invalid),
  told('a reset', 'CONNECT_ERROR', reset(), null, unreachable),
  told('an end', 'CONNECT_ERROR', hangUp(), null, unreachable),
  {
    ...told('silence', 'TIMEOUT', hang(), null, { status: 504, code: 'upstream_timeout' }),
    timeouts: quick,
  },
]

function failedResponse(): object {
  const error = { ...scripted, code: 'server_error', message: 'The model failed.' }
  return { id: 'resp_1', object: 'response', status: 'failed', error, output: [] }
}

function anthropicError(type: string): object {
  return { type: 'error', error: { type, message: 'as Anthropic says it' } }
}

test.each(named)('%s falls back on every trigger before the first byte, and says so', async (_, sample) => {
  await using failing = await openUpstream({ name: 'failing' })
  await using spare = await openUpstream({ name: 'spare' })
  for (const row of rows) {
    failing.setScript(() => row.reply)
    await using gateway = await openTestGateway({
      deployments: [deployment('main', [failing.baseUrl])],
      providers: [provider('spare', spare.baseUrl)],
      routes: [route('chat', ['dep_main'], { fallback: ['pmd_spare'], timeouts: row.timeouts ?? {} })],
    })
    const answer = await sample.send(gateway)
    expect({ row, status: answer.status }).toMatchObject({ status: 200 })
    await answer.arrayBuffer()
    expect({ what: row.what, ...Object.fromEntries(answer.headers) }).toMatchObject({
      what: row.what,
      'x-signalbox-fallback': row.trigger.toLowerCase(),
      'x-signalbox-attempts': '2',
      'x-signalbox-backend': encodeURIComponent('spare/model-of-spare'),
    })
    expect(gateway.records).toMatchObject([
      {
        outcome: 'OK_BY_FALLBACK',
        operation: sample.operation,
        attempts: [
          { backendId: 'dep_main', endpointId: 'end_main_0', status: row.status, trigger: row.trigger },
          { backendId: 'pmd_spare', isFallback: true, status: 200, trigger: null, error: null },
        ],
      },
    ])
    expect(gateway.records[0]!.attempts[0]!.error).toMatch(/\S/)
    expect(gateway.gateway.live.totalInFlight).toBe(0)
  }
  expect(failing.requests).toHaveLength(rows.length)
  expect(spare.requests).toHaveLength(rows.length)
})

function envelopeOf({ alone }: Row, { operation }: SampleRequest): object {
  if (alone.code === null) return {}
  if (operation.startsWith('/v1/messages')) return { type: 'error', error: {} }
  return { error: { code: alone.code } }
}

test.each(named)('%s without a fallback gets the last answer, or why there is none', async (_, sample) => {
  await using failing = await openUpstream({ name: 'failing' })
  for (const row of rows) {
    failing.setScript(() => row.reply)
    await using gateway = await openTestGateway({
      deployments: [deployment('main', [failing.baseUrl])],
      routes: [route('chat', ['dep_main'], { timeouts: row.timeouts ?? {} })],
    })
    const answer = await sample.send(gateway)
    const body = await answer.text()
    expect({ row, status: answer.status }).toMatchObject({ status: row.alone.status })
    expect(JSON.parse(body)).toMatchObject(envelopeOf(row, sample))
    expect(answer.headers.has('x-signalbox-fallback')).toBe(false)
    expect(answer.headers.get('x-signalbox-attempts')).toBe('1')
    expect(answer.headers.has('location')).toBe(false)
    const outcome = row.trigger === 'TIMEOUT' ? 'TIMEOUT' : 'UPSTREAM_ERROR'
    expect(gateway.records).toMatchObject([
      { outcome, status: row.alone.status, errorCode: row.alone.code, provenance: 'NONE', tokens: null },
    ])
  }
  expect(failing.requests).toHaveLength(rows.length)
})

/** What a client has caused: it is its own, in upstream's words. */
const refusals: readonly (readonly [number, object | undefined])[] = [
  ...[400, 409, 410, 413, 415, 418, 422, 451].map((code) => [code, undefined] as const),
  [403, { error: { code: 403, message: 'Your input was flagged', metadata: { reasons: ['x'], flagged_input: 'y' } } }],
  [403, { code: 'permission', error: 'Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_BIO' }],
  [400, { error: { code: 'content_filter', message: "filtered by Azure OpenAI's content management policy" } }],
  [
    429,
    {
      error: {
        code: 'rate_limit_exceeded',
        type: 'tokens',
        message:
          'Request too large for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, Requested 61337.',
      },
    },
  ],
  // What a client quotes is not what upstream says.
  [400, { error: { message: "Invalid value: 'Your credit balance is too low'", type: 'invalid_request_error' } }],
  [422, { detail: [{ loc: ['body', 'user'], msg: 'bad', input: 'API key not valid. Please pass a valid API key.' }] }],
  [200, { error: { message: 'bad temperature', type: 'invalid_request_error' } }],
]

test.each(named)('%s passes the client its own error, and holds it against nobody', async (_, sample) => {
  await using main = await openUpstream({ name: 'main' })
  await using spare = await openUpstream({ name: 'spare' })
  await using gateway = await openTestGateway({
    providers: [provider('main', main.baseUrl), provider('spare', spare.baseUrl)],
    routes: [route('chat', ['pmd_main'], { fallback: ['pmd_spare'] })],
  })
  for (const [code, body] of refusals) {
    const reply = status(code, body)
    main.answerNext(reply)
    const answer = await sample.send(gateway)
    const text = await answer.text()
    expect({ body, status: answer.status }).toMatchObject({ status: code })
    expect(JSON.parse(text)).toEqual(body ?? JSON.parse(text))
    expect(gateway.records.at(-1)).toMatchObject({ outcome: 'CLIENT_ERROR', status: code, tokens: null })
  }
  expect(spare.requests).toHaveLength(0)
  expect(gateway.gateway.live.healthOf('pmd_main')).toMatchObject({ circuit: 'CLOSED', consecutiveFailures: 0 })
  expect(gateway.gateway.live.isHealthy('crd_main')).toBe(true)
})

test.each(named)('%s falls back when nobody listens', async (_, sample) => {
  await using spare = await openUpstream({ name: 'spare' })
  await using gateway = await openTestGateway({
    deployments: [deployment('main', [await refusingBaseUrl()])],
    providers: [provider('spare', spare.baseUrl)],
    routes: [route('chat', ['dep_main'], { fallback: ['pmd_spare'] })],
  })
  const answer = await sample.send(gateway)
  expect(answer.status).toBe(200)
  expect(answer.headers.get('x-signalbox-fallback')).toBe('connect_error')
})

const streams = streamedRequests.map((sample) => [sample.operation, sample] as const)

const prelude: Readonly<Record<string, readonly (string | object)[]>> = {
  '/v1/chat/completions': [': warming up\n\n', { choices: [{ index: 0, delta: { role: 'assistant', content: '' } }] }],
  '/v1/completions': [': warming up\n\n', { choices: [] }],
  '/v1/responses': ['event: response.created\ndata: {"type":"response.created"}\n\n'],
  '/v1/messages': [
    'event: message_start\ndata: {"type":"message_start","message":{}}\n\n',
    'event: content_block_start\ndata: {"type":"content_block_start","content_block":{"type":"text","text":""}}\n\n',
    'event: ping\ndata: {"type":"ping"}\n\n',
  ],
}
const contents: Readonly<Record<string, string | object>> = {
  '/v1/chat/completions': { choices: [{ index: 0, delta: { content: 'Hel' } }] },
  '/v1/completions': { choices: [{ index: 0, text: 'Hel' }] },
  '/v1/responses': 'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"Hel"}\n\n',
  '/v1/messages': 'event: content_block_delta\ndata: {"type":"content_block_delta","delta":{"text":"Hel"}}\n\n',
}

const errorEvents: Readonly<Record<string, string>> = {
  '/v1/chat/completions': 'data: {"error":{"message":"out of memory","code":500}}\n\n',
  '/v1/completions': 'data: {"error":{"message":"out of memory","code":500}}\n\n',
  '/v1/responses': 'event: response.failed\ndata: {"type":"response.failed"}\n\n',
  '/v1/messages': 'event: error\ndata: {"type":"error","error":{"type":"overloaded_error"}}\n\n',
}

test.each(streams)('%s: a stream without content is no answer yet', async (operation, sample) => {
  const failures: Reply[] = [
    stream([...prelude[operation]!], { cutAfterEvents: 3 }),
    stream([...prelude[operation]!], { cutAfterEvents: 3, cutBy: 'reset' }),
    stream([...prelude[operation]!], { cutAfterEvents: 3, cutBy: 'open' }),
    stream([...prelude[operation]!]),
    stream([...prelude[operation]!, errorEvents[operation]!]),
  ]
  for (const failure of failures) {
    await using failing = await openUpstream({ name: 'failing', script: () => failure })
    await using spare = await openUpstream({ name: 'spare' })
    await using gateway = await openTestGateway({
      deployments: [deployment('main', [failing.baseUrl])],
      providers: [provider('spare', spare.baseUrl)],
      routes: [route('chat', ['dep_main'], { fallback: ['pmd_spare'], timeouts: { firstByteMs: 150 } })],
    })
    const answer = await sample.send(gateway)
    const text = await answer.text()
    expect(answer.headers.get('x-signalbox-attempts')).toBe('2')
    expect(text).toContain('spare')
    expect(text).not.toContain('warming up')
    expect(gateway.records).toMatchObject([{ outcome: 'OK_BY_FALLBACK' }])
  }
})

test.each(streams)(
  '%s: a stream that breaks after its first content ends with an error event',
  async (operation, sample) => {
    const broken = [...prelude[operation]!, contents[operation]!, contents[operation]!]
    const failures: Reply[] = [
      stream(broken, { cutAfterEvents: 10 }),
      stream(broken, { cutAfterEvents: 10, cutBy: 'reset' }),
      stream(broken, { cutAfterEvents: 10, cutBy: 'open' }),
      stream([...broken, 'data: {"half":'], { cutAfterEvents: 10 }),
      stream(broken),
    ]
    for (const failure of failures) {
      await using failing = await openUpstream({ name: 'failing', script: () => failure })
      await using spare = await openUpstream({ name: 'spare' })
      await using gateway = await openTestGateway({
        deployments: [deployment('main', [failing.baseUrl])],
        providers: [provider('spare', spare.baseUrl)],
        routes: [route('chat', ['dep_main'], { fallback: ['pmd_spare'], timeouts: { idleMs: 150 } })],
      })
      const answer = await sample.send(gateway)
      const text = await answer.text()
      expect(answer.status).toBe(200)
      expect(text.match(/Hel/g)).toHaveLength(2)
      expect(text).not.toContain('[DONE]')
      expect(text).not.toContain('half')
      const events = text.trimEnd().split('\n\n')
      expect(events.filter((event) => event.startsWith('event: error\ndata: {'))).toEqual([events.at(-1)])
      expect(spare.requests).toHaveLength(0)
      expect(gateway.records).toMatchObject([{ outcome: 'TRUNCATED', status: 200 }])
    }
  },
)

const plain = named.filter(([, sample]) => !sample.stream)

test.each(plain)('%s: a body that breaks off closes the connection', async (_, sample) => {
  for (const cutBy of ['fin', 'reset'] as const) {
    const reply = cutBody(`{"data":"${'x'.repeat(200_000)}`, { cutBy })
    await using failing = await openUpstream({ name: 'failing', script: () => reply })
    await using gateway = await openTestGateway({
      deployments: [deployment('main', [failing.baseUrl])],
      routes: [route('chat', ['dep_main'])],
    })
    await expect(sample.send(gateway).then((answer) => answer.text())).rejects.toThrow(/terminated|fetch failed/)
    await expect.poll(() => gateway.records.length).toBe(1)
  }
})
