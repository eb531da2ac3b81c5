/** The rows of the failure contract, for each operation, plain and streamed. */
import { expect, test } from 'vitest'
import type { Reply } from '../support/exchange.ts'
import { cutBody, hang, hangUp, reset, status, stream } from '../support/replies.ts'
import { openUpstream, refusingBaseUrl } from '../support/upstream.ts'
import { deployment, openTestGateway, provider, route } from './open-test-gateway.ts'
import { type SampleRequest, sampleRequests, streamedRequests } from './sample-requests.ts'

const name = ({ operation, stream: streams }: SampleRequest) => `${operation}${streams ? ' streamed' : ''}`
const named = sampleRequests.map((sample) => [name(sample), sample] as const)

interface Row {
  readonly trigger: string
  readonly reply: Reply
  readonly status: number | null
  /** What the client gets if there is no fallback. */
  readonly alone: { readonly status: number; readonly code: string | null }
}

const rows: readonly Row[] = [
  ...[500, 502, 503, 504, 529].map((code) => ({
    trigger: 'SERVER_ERROR',
    reply: status(code),
    status: code,
    alone: { status: code, code: null },
  })),
  { trigger: 'RATE_LIMITED', reply: status(429), status: 429, alone: { status: 429, code: null } },
  ...[401, 403].map((code) => ({
    trigger: 'UPSTREAM_AUTH',
    reply: status(code),
    status: code,
    alone: { status: 502, code: 'upstream_auth_failed' },
  })),
  { trigger: 'UPSTREAM_NOT_FOUND', reply: status(404), status: 404, alone: { status: 404, code: null } },
  { trigger: 'CONNECT_ERROR', reply: reset(), status: null, alone: { status: 502, code: 'upstream_unreachable' } },
  { trigger: 'CONNECT_ERROR', reply: hangUp(), status: null, alone: { status: 502, code: 'upstream_unreachable' } },
  { trigger: 'TIMEOUT', reply: hang(), status: null, alone: { status: 504, code: 'upstream_timeout' } },
]

interface ErrorBody {
  readonly error: { readonly message: string }
}

test.each(named)('%s falls back on every trigger before the first byte, and says so', async (_, sample) => {
  for (const row of rows) {
    await using failing = await openUpstream({ name: 'failing', script: () => row.reply })
    await using spare = await openUpstream({ name: 'spare' })
    await using gateway = await openTestGateway({
      deployments: [deployment('main', [failing.baseUrl])],
      providers: [provider('spare', spare.baseUrl)],
      routes: [route('chat', ['dep_main'], { fallback: ['pmd_spare'], timeouts: { firstByteMs: 80 } })],
    })
    const answer = await sample.send(gateway)
    expect({ row, status: answer.status }).toMatchObject({ status: 200 })
    await answer.arrayBuffer()
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'x-signalbox-fallback': row.trigger.toLowerCase(),
      'x-signalbox-attempts': '2',
      'x-signalbox-backend': encodeURIComponent('spare/model-of-spare'),
    })
    expect(failing.requests).toHaveLength(1)
    expect(spare.requests).toHaveLength(1)
    expect(gateway.records).toMatchObject([
      {
        outcome: 'OK_BY_FALLBACK',
        operation: sample.operation,
        attempts: [
          { backendId: 'dep_main', endpointId: 'end_main_0', status: row.status, trigger: row.trigger },
          { backendId: 'pmd_spare', isFallback: true, status: 200, trigger: null },
        ],
      },
    ])
    expect(gateway.gateway.live.totalInFlight).toBe(0)
  }
})

function envelopeOf({ alone }: Row, { operation }: SampleRequest): object {
  if (alone.code === null) return { error: { type: 'scripted' } }
  if (operation.startsWith('/v1/messages')) return { type: 'error', error: {} }
  return { error: { code: alone.code } }
}

test.each(named)('%s without a fallback gets the last answer, or why there is none', async (_, sample) => {
  for (const row of rows) {
    await using failing = await openUpstream({ name: 'failing', script: () => row.reply })
    await using gateway = await openTestGateway({
      deployments: [deployment('main', [failing.baseUrl])],
      routes: [route('chat', ['dep_main'], { timeouts: { firstByteMs: 80 } })],
    })
    const answer = await sample.send(gateway)
    const body = (await answer.json()) as ErrorBody
    expect({ row, status: answer.status }).toMatchObject({ status: row.alone.status })
    expect(body).toMatchObject(envelopeOf(row, sample))
    expect(answer.headers.has('x-signalbox-fallback')).toBe(false)
    expect(answer.headers.get('x-signalbox-attempts')).toBe('1')
    expect(failing.requests).toHaveLength(1)
    const outcome = row.trigger === 'TIMEOUT' ? 'TIMEOUT' : 'UPSTREAM_ERROR'
    expect(gateway.records).toMatchObject([{ outcome, status: row.alone.status, errorCode: row.alone.code }])
  }
})

test.each(named)('%s passes the client its own error and does not move on', async (_, sample) => {
  await using main = await openUpstream({ name: 'main' })
  await using spare = await openUpstream({ name: 'spare' })
  await using gateway = await openTestGateway({
    deployments: [deployment('main', [main.baseUrl])],
    providers: [provider('spare', spare.baseUrl)],
    routes: [route('chat', ['dep_main'], { fallback: ['pmd_spare'] })],
  })
  for (const code of [400, 402, 405, 409, 413, 418, 422]) {
    main.answerNext(status(code))
    const answer = await sample.send(gateway)
    expect(answer.status).toBe(code)
    expect(((await answer.json()) as ErrorBody).error.message).toBe(`scripted ${code}`)
    expect(gateway.records.at(-1)).toMatchObject({ outcome: 'CLIENT_ERROR', status: code })
  }
  expect(spare.requests).toHaveLength(0)
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
