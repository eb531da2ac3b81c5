/** What says something about an upstream, what does not, and what takes tokens. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { noFurtherPrices } from '../../../src/routing/config/configuration.ts'
import { after, hang, raw, status, stream } from '../../support/replies.ts'
import { openUpstream } from '../../support/upstream.ts'
import { until } from '../../support/until.ts'
import {
  deployment,
  openTestGateway,
  provider,
  route,
  testKey,
  type TestGateway,
} from '../support/open-test-gateway.ts'

const request = { model: 'chat', messages: [{ role: 'user', content: 'hello there' }] }
const pricing = { inputPerMillion: '1000', outputPerMillion: '1000', cachedInputPerMillion: null, ...noFurtherPrices }
const content = { choices: [{ delta: { content: 'x' } }] }

function head(code: number, length: number): string {
  return `HTTP/1.1 ${code} Scripted\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n`
}

/** Sends the request on a socket of its own, and reads nothing. */
async function askAndReadNothing(gateway: TestGateway): Promise<void> {
  const socket = connect(gateway.port, '127.0.0.1')
  socket.on('error', () => {}).pause()
  await once(socket, 'connect')
  const text = JSON.stringify(request)
  const lines = [
    'POST /v1/chat/completions HTTP/1.1',
    'host: a',
    `authorization: Bearer ${testKey}`,
    'content-type: application/json',
    `content-length: ${text.length}`,
  ]
  socket.write(`${lines.join('\r\n')}\r\n\r\n${text}`)
}

test('clients that do not read are not held against the upstream', async () => {
  await using slowRead = await openUpstream({ script: () => status(200, 'x'.repeat(16 * 1024 * 1024)) })
  await using gateway = await openTestGateway(
    { deployments: [deployment('read', [slowRead.baseUrl])], routes: [route('chat', ['dep_read'])] },
    { limits: { untakenMs: 500 } },
  )
  for (let i = 0; i < 5; i++) await askAndReadNothing(gateway)
  await until(() => gateway.records.length === 5)
  expect(gateway.gateway.live.healthOf('end_read_0')).toMatchObject({ circuit: 'CLOSED', consecutiveFailures: 0 })
})

test('a stream that has begun takes all the time that it needs', async () => {
  const released = Promise.withResolvers<void>()
  const events = [content, { choices: [{ delta: {}, finish_reason: 'stop' }] }, 'data: [DONE]\n\n']
  await using long = await openUpstream({
    script: () => stream(events, { beforeEvent: (index) => (index === 1 ? released.promise : undefined) }),
  })
  await using silent = await openUpstream({ script: () => hang() })
  const timeouts = { totalMs: 4_000 }
  await using gateway = await openTestGateway({
    deployments: [deployment('long', [long.baseUrl]), deployment('silent', [silent.baseUrl])],
    routes: [route('chat', ['dep_long'], { timeouts }), route('silent', ['dep_silent'], { timeouts })],
  })
  const answer = await gateway.post('/chat/completions', { ...request, stream: true })
  // By then, whoever began later has had all the time that a whole request may take.
  expect((await gateway.post('/chat/completions', { ...request, model: 'silent' })).status).toBe(504)
  released.resolve()
  expect(await answer.text()).toContain('[DONE]')
  expect(gateway.records).toMatchObject([{ outcome: 'TIMEOUT' }, { outcome: 'OK' }])
})

test('an error whose body breaks off is still the error that its status says', async () => {
  await using upstream = await openUpstream()
  await using gateway = await openTestGateway({
    providers: [
      provider('cloud', upstream.baseUrl, {
        credentials: [
          { id: 'crd_1', secret: 'one', hint: 'one' },
          { id: 'crd_2', secret: 'two', hint: 'two' },
        ],
      }),
    ],
    routes: [route('chat', ['pmd_cloud'])],
  })
  const cut = (code: number) => raw([head(code, 900), '{"error":'])
  upstream.answerNext(cut(401))
  expect((await gateway.post('/chat/completions', request)).status).toBe(200)
  expect(gateway.records[0]!.attempts).toMatchObject([{ status: 401, trigger: 'UPSTREAM_AUTH' }, { status: 200 }])
  upstream.answerNext(cut(400))
  const refused = await gateway.post('/chat/completions', request)
  expect(refused.status).toBe(400)
  await expect(refused.text()).rejects.toThrow('terminated')
  await until(() => gateway.records.length === 2)
  expect(gateway.records[1]).toMatchObject({ outcome: 'CLIENT_ERROR', status: 400, tokens: null })
  expect(gateway.gateway.live.healthOf('pmd_cloud')).toMatchObject({ consecutiveFailures: 0 })
})

test.each([
  ['a long error that breaks off', raw([head(500, 900_000), 'x'.repeat(300_000)])],
  ['a long refusal that breaks off', raw([head(400, 900_000), 'x'.repeat(300_000)])],
  ['a redirect', status(302, 'elsewhere')],
  ['no content', raw('HTTP/1.1 204 No Content\r\n\r\n', 'open')],
])('%s takes no tokens', async (_, reply) => {
  await using upstream = await openUpstream({ script: () => reply })
  await using gateway = await openTestGateway({
    deployments: [deployment('a', [upstream.baseUrl], { pricing })],
    routes: [route('chat', ['dep_a'])],
  })
  await gateway
    .post('/chat/completions', request, { redirect: 'manual' })
    .then((answer) => answer.text())
    .catch(() => '')
  await until(() => gateway.records.length === 1)
  expect(gateway.records).toMatchObject([{ provenance: 'NONE', tokens: null, cost: null }])
  expect(gateway.records[0]!.outcome).not.toBe('TRUNCATED')
})

test('a stream that ends before it says anything is no answer', async () => {
  const opening = { choices: [{ delta: { role: 'assistant' } }] }
  await using upstream = await openUpstream({ script: () => stream([opening]) })
  await using failing = await openUpstream({ script: () => status(500) })
  await using gateway = await openTestGateway({
    deployments: [deployment('a', [upstream.baseUrl]), deployment('b', [failing.baseUrl])],
    routes: [route('chat', ['dep_a']), route('both', ['dep_b'], { fallback: ['dep_a'] })],
  })
  const alone = await gateway.post('/chat/completions', { ...request, stream: true })
  expect(alone.status).toBe(502)
  expect(await alone.json()).toMatchObject({ error: { code: 'upstream_unreachable' } })
  const both = await gateway.post('/chat/completions', { ...request, model: 'both', stream: true })
  expect(both.status).toBe(500)
  expect(await both.text()).toContain('scripted 500')
})

test('a record has the code of the error that ended a stream', async () => {
  const gate = Promise.withResolvers<void>()
  await using upstream = await openUpstream()
  await using gateway = await openTestGateway({
    deployments: [deployment('a', [upstream.baseUrl])],
    routes: [route('chat', ['dep_a'], { timeouts: { idleMs: 100 } })],
  })
  upstream.answerNext(
    stream([content, content], { cutAfterEvents: 1 }),
    stream([content, content], { beforeEvent: (index) => (index === 1 ? gate.promise : undefined) }),
  )
  for (const code of ['upstream_truncated', 'upstream_timeout']) {
    const answer = await gateway.post('/chat/completions', { ...request, stream: true })
    expect(await answer.text()).toContain(code)
    await until(() => gateway.records.at(-1)?.errorCode === code)
  }
  gate.resolve()
})

test('what Anthropic calls a request id is on the answers of its operations', async () => {
  await using upstream = await openUpstream({ script: () => after(Promise.resolve(), status(200, {})) })
  await using gateway = await openTestGateway({
    deployments: [deployment('a', [upstream.baseUrl])],
    routes: [route('chat', ['dep_a'])],
  })
  const served = await gateway.post('/messages', { model: 'chat', max_tokens: 1, messages: [] })
  const refused = await gateway.post('/messages', { model: 'none', max_tokens: 1, messages: [] })
  for (const { headers } of [served, refused]) {
    expect(headers.get('request-id')).toMatch(/^req_/)
    expect(headers.get('request-id')).toBe(headers.get('x-request-id'))
  }
  expect((await gateway.post('/chat/completions', request)).headers.has('request-id')).toBe(false)
})
