/** What real upstreams do that strict readings of the contract miss: one test per report. */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { Reply } from '../../support/exchange.ts'
import { after, hang, status, stream } from '../../support/replies.ts'
import { openUpstream } from '../../support/upstream.ts'
import { until } from '../../support/until.ts'
import { deployment, openTestGateway, provider, route } from '../support/open-test-gateway.ts'

const request = { model: 'chat', messages: [{ role: 'user', content: 'hi' }] }
const streamed = { ...request, stream: true }
const events = [
  { choices: [{ index: 0, delta: { content: 'Hel' } }] },
  { choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] },
  'data: [DONE]\n\n',
]

const strictAnswers = [
  [
    'Mistral',
    422,
    {
      object: 'error',
      message: {
        detail: [
          {
            type: 'extra_forbidden',
            loc: ['body', 'stream_options', 'include_usage'],
            msg: 'Extra inputs are not permitted',
          },
        ],
      },
      type: 'invalid_request_error',
    },
  ],
  [
    'Azure',
    400,
    { error: { message: 'Unrecognized request argument supplied: stream_options', type: 'invalid_request_error' } },
  ],
  [
    'OpenAI',
    400,
    { error: { message: "Unknown parameter: 'stream_options'.", param: 'stream_options', code: 'unknown_parameter' } },
  ],
  ['FastAPI', 422, { detail: [{ loc: ['body', 'stream_options'], msg: 'extra fields not permitted' }] }],
] as const

test.each(strictAnswers)(
  '%s refuses stream_options that only the gateway has added: the request goes once more as it came',
  async (_, code, body) => {
    await using strict = await openUpstream({
      script: ({ json }) => ('stream_options' in json() ? status(code, body) : stream(events)),
    })
    await using gateway = await openTestGateway({
      providers: [provider('strict', strict.baseUrl)],
      routes: [route('chat', ['pmd_strict'], { maxAttempts: 1 })],
    })
    const sent = JSON.stringify(streamed)
    const answer = await gateway.post('/chat/completions', sent)
    expect(answer.status).toBe(200)
    expect(await answer.text()).toContain('Hel')
    expect(answer.headers.get('x-signalbox-attempts')).toBe('1')
    expect(strict.requests[1]!.body.toString()).toBe(sent.replace('"chat"', '"model-of-strict"'))
    expect(gateway.records).toMatchObject([{ outcome: 'OK', attempts: [{ status: 200, trigger: null, error: null }] }])
    // It is remembered: the next one costs one request.
    await (await gateway.post('/chat/completions', streamed)).text()
    expect(strict.requests).toHaveLength(3)
    expect(gateway.gateway.live.healthOf('pmd_strict')).toMatchObject({ consecutiveFailures: 0 })
    expect(gateway.gateway.live.totalInFlight).toBe(0)
  },
)

test('a client that asks for the usage itself gets the refusal of a strict server', async () => {
  await using strict = await openUpstream({ script: () => status(422, strictAnswers[0][2]) })
  await using gateway = await openTestGateway({
    providers: [provider('strict', strict.baseUrl)],
    routes: [route('chat', ['pmd_strict'])],
  })
  const answer = await gateway.post('/chat/completions', { ...streamed, stream_options: { include_usage: true } })
  expect(answer.status).toBe(422)
  expect(strict.requests).toHaveLength(1)
})

test('a refusal that names something else is not asked again', async () => {
  await using strict = await openUpstream({ script: () => status(422, { detail: 'temperature must be below 2' }) })
  await using gateway = await openTestGateway({
    providers: [provider('strict', strict.baseUrl)],
    routes: [route('chat', ['pmd_strict'])],
  })
  expect((await gateway.post('/chat/completions', streamed)).status).toBe(422)
  expect(strict.requests).toHaveLength(1)
})

test('where the rules of a backend say so, stream_options is never added', async () => {
  await using upstream = await openUpstream({ script: () => stream(events) })
  const requestRules = { passHeaders: [], passResponseHeaders: [], addStreamUsage: false }
  await using gateway = await openTestGateway({
    deployments: [deployment('strict', [upstream.baseUrl], { requestRules })],
    routes: [route('chat', ['dep_strict'])],
  })
  await (await gateway.post('/chat/completions', streamed)).text()
  expect(upstream.requests[0]!.json()).not.toHaveProperty('stream_options')
  expect(gateway.records).toMatchObject([{ outcome: 'OK', provenance: 'ESTIMATED' }])
})

test('a replica that answers 500 costs its clients nothing while another one idles', async () => {
  await using bad = await openUpstream({ script: () => status(500) })
  await using good = await openUpstream({ name: 'good' })
  await using gateway = await openTestGateway({
    deployments: [deployment('a', [bad.baseUrl, good.baseUrl], { loadBalancing: 'WEIGHTED_ROUND_ROBIN' })],
    routes: [route('chat', ['dep_a'])],
  })
  for (let i = 0; i < 6; i++) expect((await gateway.post('/chat/completions', request)).status).toBe(200)
  expect(bad.requests.length).toBeGreaterThan(0)
})

test('nothing is repeated at the endpoint that just failed', async () => {
  await using only = await openUpstream({ script: () => status(500) })
  await using gateway = await openTestGateway({
    deployments: [deployment('a', [only.baseUrl])],
    routes: [route('chat', ['dep_a'])],
  })
  expect((await gateway.post('/chat/completions', request)).status).toBe(500)
  expect(only.requests).toHaveLength(1)
})

test('a plain answer that takes long is waited for, though no stream might', async () => {
  const released = Promise.withResolvers<void>()
  const answer = status(200, { choices: [{ message: { content: 'at last' } }] })
  await using slow = await openUpstream({ script: () => after(released.promise, answer) })
  await using silent = await openUpstream({ script: () => hang() })
  const timeouts = { firstByteMs: 1 }
  await using gateway = await openTestGateway({
    deployments: ['slow', 'twin']
      .map((name) => deployment(name, [slow.baseUrl]))
      .concat(deployment('silent', [silent.baseUrl])),
    routes: [route('chat', ['dep_slow', 'dep_twin'], { timeouts }), route('silent', ['dep_silent'], { timeouts })],
  })
  const answering = Array.from({ length: 5 }, () => gateway.post('/chat/completions', request))
  await until(() => slow.requests.length === 5)
  expect((await gateway.post('/chat/completions', { ...streamed, model: 'silent' })).status).toBe(504)
  released.resolve()
  for (const each of await Promise.all(answering)) expect(each.status).toBe(200)
  expect(slow.requests).toHaveLength(5)
})

test('a plain answer that takes too long goes to the fallback, and to no equal target', async () => {
  await using slow = await openUpstream({ script: () => hang() })
  await using twin = await openUpstream({ script: () => hang() })
  await using spare = await openUpstream({ name: 'spare' })
  await using gateway = await openTestGateway({
    deployments: [deployment('slow', [slow.baseUrl]), deployment('twin', [twin.baseUrl])],
    providers: [provider('spare', spare.baseUrl)],
    routes: [route('chat', ['dep_slow', 'dep_twin'], { fallback: ['pmd_spare'], timeouts: { answerMs: 1_000 } })],
  })
  const answer = await gateway.post('/chat/completions', request)
  expect(answer.headers.get('x-signalbox-fallback')).toBe('timeout')
  expect(slow.requests.length + twin.requests.length).toBe(1)
})

test('comments of a stream that has not begun renew its time', async () => {
  const loaded = new AbortController()
  const commenting: Reply = async (exchange) => {
    exchange.response.writeHead(200, { 'content-type': 'text/event-stream' })
    for (; !loaded.signal.aborted && exchange.request.closedAtMs === undefined; await sleep(20)) {
      exchange.response.write(': loading the model\n\n')
    }
    for (const event of events) {
      exchange.response.write(typeof event === 'string' ? event : `data: ${JSON.stringify(event)}\n\n`)
    }
    exchange.response.end()
  }
  await using loading = await openUpstream({ script: () => commenting })
  await using silent = await openUpstream({ script: () => hang() })
  const timeouts = { firstByteMs: 3_000 }
  await using gateway = await openTestGateway({
    deployments: [deployment('loading', [loading.baseUrl]), deployment('silent', [silent.baseUrl])],
    routes: [route('chat', ['dep_loading'], { timeouts }), route('silent', ['dep_silent'], { timeouts })],
  })
  const answering = gateway.post('/chat/completions', streamed)
  await until(() => loading.requests.length === 1)
  expect((await gateway.post('/chat/completions', { ...streamed, model: 'silent' })).status).toBe(504)
  loaded.abort()
  expect(await (await answering).text()).toContain('Hel')
})

test('an empty account in any clothes is followed by the next credential, which counts as no fallback', async () => {
  const clothes = [
    status(402, { error: { message: 'Insufficient credits. Add more.', code: 402 } }),
    status(400, { type: 'error', error: { type: 'invalid_request_error', message: 'Your credit balance is too low' } }),
    status(200, { error: { message: 'Insufficient Balance', code: 402 } }),
  ]
  for (const refusal of clothes) {
    await using upstream = await openUpstream({
      script: ({ headers }) => (headers.authorization === 'Bearer empty' ? refusal : undefined),
    })
    await using gateway = await openTestGateway({
      providers: [
        provider('cloud', upstream.baseUrl, {
          credentials: [
            { id: 'crd_1', secret: 'empty', hint: 'mpty' },
            { id: 'crd_2', secret: 'funded', hint: 'nded' },
          ],
        }),
      ],
      routes: [route('chat', ['pmd_cloud'])],
    })
    const answer = await gateway.post('/chat/completions', request)
    expect(answer.status).toBe(200)
    expect(answer.headers.has('x-signalbox-fallback')).toBe(false)
    expect(gateway.records).toMatchObject([
      {
        outcome: 'OK',
        attempts: [
          { trigger: 'UPSTREAM_AUTH', credentialHint: 'mpty' },
          { trigger: null, credentialHint: 'nded', error: null },
        ],
      },
    ])
    expect(gateway.gateway.live.isHealthy('crd_1')).toBe(false)
    expect(gateway.gateway.live.isHealthy('crd_2')).toBe(true)
  }
})

test('an attempt says what upstream said, bounded and without secrets, and its id of the request', async () => {
  const message = `Incorrect API key provided: secret-of-cloud (sk-proj-abcdefgh12345678). ${'x'.repeat(900)}\u0000`
  await using upstream = await openUpstream({
    script: () => status(401, { error: { message, code: 'invalid_api_key' } }, { 'x-request-id': 'req-of-theirs' }),
  })
  await using gateway = await openTestGateway({
    providers: [provider('cloud', upstream.baseUrl)],
    routes: [route('chat', ['pmd_cloud'])],
  })
  const answer = await gateway.post('/chat/completions', request)
  expect(answer.headers.get('x-request-id')).not.toBe('req-of-theirs')
  const [attempt] = gateway.records[0]!.attempts
  expect(attempt).toMatchObject({ upstreamRequestId: 'req-of-theirs', status: 401 })
  expect(attempt!.error).toMatch(/^Incorrect API key provided: \*\*\* \(\*\*\*\)\. x/)
  expect(attempt!.error!.length).toBeLessThanOrEqual(500)
})

test('of a page an attempt keeps the title', async () => {
  const page = '<html><head><style>a{}</style><title>502 Bad Gateway</title></head><body>nginx</body></html>'
  await using upstream = await openUpstream({ script: () => status(502, page, { 'content-type': 'text/html' }) })
  await using gateway = await openTestGateway({
    deployments: [deployment('a', [upstream.baseUrl])],
    routes: [route('chat', ['dep_a'])],
  })
  const answer = await gateway.post('/chat/completions', request)
  expect(answer.status).toBe(502)
  expect(await answer.json()).toMatchObject({ error: { code: 'upstream_invalid_answer' } })
  expect(gateway.records[0]!.attempts).toMatchObject([{ error: '502 Bad Gateway' }])
})

test('of a stream that breaks off an attempt says how', async () => {
  const broken = stream(events, { cutAfterEvents: 1, cutBy: 'reset' })
  await using upstream = await openUpstream({ script: () => broken })
  await using gateway = await openTestGateway({
    deployments: [deployment('a', [upstream.baseUrl])],
    routes: [route('chat', ['dep_a'])],
  })
  await (await gateway.post('/chat/completions', streamed)).text()
  expect(gateway.records).toMatchObject([{ outcome: 'TRUNCATED', attempts: [{ error: expect.stringMatching(/\w/) }] }])
})

test('a strict server may say it in a stream, too', async () => {
  const refusal = { error: { message: 'Extra inputs are not permitted: stream_options', code: 422 } }
  await using strict = await openUpstream({
    script: ({ json }) => stream('stream_options' in json() ? [refusal] : events),
  })
  await using gateway = await openTestGateway({
    deployments: [deployment('a', [strict.baseUrl])],
    routes: [route('chat', ['dep_a'])],
  })
  expect(await (await gateway.post('/chat/completions', streamed)).text()).toContain('Hel')
  expect(gateway.records).toMatchObject([{ outcome: 'OK' }])
})
