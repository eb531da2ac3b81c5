/** What upstreams send that nobody lists: interim answers, old versions, long errors, and clients that leave at the wrong time. */
import { expect, test } from 'vitest'
import type { Reply } from '../../support/exchange.ts'
import { after, raw, status } from '../../support/replies.ts'
import { openUpstream } from '../../support/upstream.ts'
import { until } from '../../support/until.ts'
import { deployment, openTestGateway, provider, route, testKey } from '../support/open-test-gateway.ts'

const request = { model: 'chat', messages: [] }
const continued = 'HTTP/1.1 100 Continue\r\n\r\n'
const json = 'content-type: application/json\r\n'
const longError = JSON.stringify({ error: { message: 'x'.repeat(300_000), code: 500 } })

const failures: readonly (readonly [string, string, Reply])[] = [
  ['interim answers, and then the end', 'connect_error', raw([continued, continued])],
  ['an interim answer, and then a reset', 'connect_error', raw(continued, 'reset')],
  ['interim answers before an error', 'server_error', raw([continued, continued, 'HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n'])],
  ['half a status line', 'connect_error', raw('HTTP/1.1 20')],
  ['another protocol', 'connect_error', raw('HTTP/1.1 101 Switching\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n', 'open')],
  ['an answer of HTTP/1.0 that is empty', 'server_error', raw(`HTTP/1.0 200 OK\r\n${json}\r\n`)],
  ['an error of HTTP/1.0', 'server_error', raw([`HTTP/1.0 200 OK\r\n${json}\r\n{"id":1,`, '"error":{"message":"x"}}'])],
  ['a long error', 'server_error', status(500, longError)],
  ['a long error that never ends', 'server_error', raw(`HTTP/1.1 500 Oh\r\n${json}content-length: 900000\r\n\r\n${longError}`, 'open')],
  ['429 without a body', 'rate_limited', status(429, '')],
  ['401 that speaks of content', 'upstream_auth', status(401, { error: { message: 'Content violates usage guidelines.' } })],
  ['304', 'server_error', raw('HTTP/1.1 304 Not Modified\r\n\r\n', 'open')],
  ['206 with an error', 'server_error', status(206, { error: 'part' })],
  ['a chunk that is none', 'connect_error', raw(`HTTP/1.1 200 OK\r\n${json}transfer-encoding: chunked\r\n\r\nzz\r\n`, 'open')],
] // prettier-ignore

test.each(failures)('%s: %s, to the fallback', async (_, trigger, reply) => {
  await using failing = await openUpstream({ script: () => reply })
  await using spare = await openUpstream({ name: 'spare' })
  await using gateway = await openTestGateway({
    deployments: [deployment('main', [failing.baseUrl])],
    providers: [provider('spare', spare.baseUrl)],
    routes: [route('chat', ['dep_main'], { fallback: ['pmd_spare'] })],
  })
  const answer = await gateway.post('/chat/completions', request)
  expect([answer.status, answer.headers.get('x-signalbox-fallback')]).toEqual([200, trigger])
  expect(await answer.text()).toContain('spare')
  await until(() => gateway.gateway.live.totalInFlight === 0)
})

test('an answer of HTTP/1.0 ends with its connection, and passes', async () => {
  const body = '{"choices":[{"message":{"content":"old"}}]}'
  await using old = await openUpstream({ script: () => raw([`HTTP/1.0 200 OK\r\n${json}\r\n`, body]) })
  await using gateway = await openTestGateway({
    deployments: [deployment('old', [old.baseUrl])],
    routes: [route('chat', ['dep_old'])],
  })
  for (let i = 0; i < 2; i++) expect(await (await gateway.post('/chat/completions', request)).text()).toBe(body)
})

test('a client that leaves while its request moves on ends it there', async () => {
  const released = Promise.withResolvers<void>()
  await using failing = await openUpstream({ script: () => after(released.promise, status(500)) })
  await using spare = await openUpstream({ script: () => after(new Promise(() => {}), status(200)) })
  await using third = await openUpstream()
  await using gateway = await openTestGateway({
    deployments: [deployment('main', [failing.baseUrl])],
    providers: [provider('spare', spare.baseUrl), provider('third', third.baseUrl)],
    routes: [route('chat', ['dep_main'], { fallback: ['pmd_spare', 'pmd_third'] })],
  })
  const leaves = new AbortController()
  const answering = fetch(`${gateway.origin}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${testKey}`, 'content-type': 'application/json' },
    body: JSON.stringify(request),
    signal: leaves.signal,
  }).catch(() => null)
  await until(() => failing.requests.length === 1)
  released.resolve()
  await until(() => spare.requests.length === 1)
  leaves.abort()
  expect(await answering).toBeNull()
  await until(() => gateway.records.length === 1 && gateway.gateway.live.totalInFlight === 0)
  expect(gateway.records).toMatchObject([{ outcome: 'CANCELLED', attempts: [{ trigger: 'SERVER_ERROR' }, {}] }])
  await until(() => spare.requests[0]!.closedAtMs !== undefined)
  expect(third.requests).toEqual([])
  expect(gateway.gateway.live.healthOf('pmd_spare')?.consecutiveFailures ?? 0).toBe(0)
})

test('where all weights but one are 0, a failure goes to no other target', async () => {
  await using only = await openUpstream({ script: () => status(500) })
  await using never = await openUpstream()
  await using gateway = await openTestGateway({
    deployments: [deployment('only', [only.baseUrl]), deployment('never', [never.baseUrl])],
    routes: [route('chat', [['dep_only', 1], ['dep_never', 0]])],
  }) // prettier-ignore
  for (let i = 0; i < 8; i++) expect((await gateway.post('/chat/completions', request)).status).toBe(500)
  expect(never.requests).toEqual([])
})

test('a date in Retry-After is heeded like seconds', async () => {
  const until10 = new Date(Date.now() + 100_000).toUTCString()
  await using busy = await openUpstream({ script: () => status(503, '', { 'retry-after': until10 }) })
  await using spare = await openUpstream()
  await using gateway = await openTestGateway({
    deployments: [deployment('busy', [busy.baseUrl]), deployment('spare', [spare.baseUrl])],
    routes: [route('chat', ['dep_busy', 'dep_spare'])],
  })
  for (let i = 0; i < 6; i++) expect((await gateway.post('/chat/completions', request)).status).toBe(200)
  expect(busy.requests).toHaveLength(1)
  expect(gateway.gateway.live.retryAtMs('end_busy_0')).toBeGreaterThan(Date.now() + 60_000)
})
