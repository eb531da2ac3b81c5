/** What is thrown where no request guards it ends no more than its own item. */
import { connect } from 'node:net'
import { once } from 'node:events'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openGateway as openRealGateway } from '../../../src/gateway/gateway.ts'
import type { GatewayPorts } from '../../../src/gateway/ports.ts'
import { hang } from '../../support/replies.ts'
import { until } from '../../support/until.ts'
import { openUpstream, type Upstream } from '../../support/upstream.ts'
import { compile, deployment, route, testKey } from '../support/open-test-gateway.ts'

let opened: AsyncDisposableStack
let upstream: Upstream
let logged: unknown[]

beforeEach(async () => {
  opened = new AsyncDisposableStack()
  logged = []
  upstream = opened.use(await openUpstream({ name: 'a' }))
})

afterEach(() => opened.disposeAsync())

function log(fields: object): void {
  logged.push(fields)
}

/** A gateway with some ports of its own. */
async function open(broken: (ports: GatewayPorts) => Partial<GatewayPorts>): Promise<string> {
  const snapshot = compile({
    deployments: [deployment('a', [upstream.baseUrl], { maxInFlight: 1, queue: { maxWaiting: 5, maxWaitMs: 60_000 } })],
    routes: [route('chat', ['dep_a'])],
  })
  const ports: GatewayPorts = {
    snapshot: () => snapshot,
    usage: { open: () => {}, append: (_record, _opened, written) => written() },
    traffic: { began: () => {}, left: () => {}, ended: () => {} },
    isAllowedAddress: () => true,
    gatewayCount: () => 1,
    log: { debug: log, info: log, warn: log, error: log },
  }
  const options = { host: '127.0.0.1', port: 0, maxRequestBytes: 1_000_000, drainTimeoutMs: 1_000 }
  const gateway = opened.use(openRealGateway({ ...ports, ...broken(ports) }, options))
  return `http://127.0.0.1:${(await gateway.listen()).port}`
}

function ask(origin: string, signal?: AbortSignal): Promise<Response> {
  return fetch(`${origin}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${testKey}`, 'content-type': 'application/json' },
    body: '{"model":"chat","messages":[]}',
    signal: signal ?? null,
  })
}

let isBroken = false
const fault = new Error('broken on purpose')

function breakIf(): void {
  if (isBroken) throw fault
}

test.each<[string, (ports: GatewayPorts) => Partial<GatewayPorts>]>([
  [
    'the snapshot cannot be read',
    (ports) => ({
      snapshot: () => {
        breakIf()
        return ports.snapshot()
      },
    }),
  ],
  ['the live counters throw at a beginning', (ports) => ({ traffic: { ...ports.traffic, began: breakIf } })],
  ['the live counters throw at an end', (ports) => ({ traffic: { ...ports.traffic, ended: breakIf } })],
  [
    'the record cannot be written',
    () => ({
      usage: {
        open: () => {},
        append: (_record, _opened, written) => {
          breakIf()
          written()
        },
      },
    }),
  ],
  [
    'the tracer throws',
    () => ({
      tracer: {
        begin: () => {
          breakIf()
          return { attempt: (_plan, forwarded) => forwarded, end: () => {} }
        },
      },
    }),
  ],
])('%s: that request fails, a stream that is open and the next request do not', async (_, broken) => {
  isBroken = false
  const origin = await open(broken)
  isBroken = true
  const failed = await ask(origin).then(
    ({ status }) => status,
    () => 'no answer',
  )
  isBroken = false
  expect(failed).not.toBe(200)
  await until(() => logged.some((fields) => (fields as { err?: unknown }).err === fault))
  const answer = await ask(origin)
  expect(answer.status).toBe(200)
})

test('a client that leaves while the live counters throw ends alone, and its upstream is closed', async () => {
  isBroken = false
  const origin = await open((ports) => ({ traffic: { ...ports.traffic, ended: breakIf } }))
  upstream.answerNext(hang())
  const leaving = new AbortController()
  const left = ask(origin, leaving.signal).catch(() => 'left')
  await until(() => upstream.requests.length === 1)
  isBroken = true
  leaving.abort()
  await left
  await upstream.requests[0]!.closed
  isBroken = false
  expect((await ask(origin)).status).toBe(200)
})

test('a timer that throws is logged, and what waits is served when it works again', async () => {
  isBroken = false
  let mayBreak = false
  let admitted = 0
  const origin = await open((ports) => ({
    usage: { ...ports.usage, open: () => void admitted++ },
    gatewayCount: () => {
      if (mayBreak) breakIf()
      return ports.gatewayCount()
    },
  }))
  const release = Promise.withResolvers<void>()
  upstream.answerNext(async ({ response }) => {
    await release.promise
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
  })
  const first = ask(origin)
  await until(() => upstream.requests.length === 1)
  const second = ask(origin)
  await until(() => admitted === 2)
  mayBreak = true
  isBroken = true
  await until(() => logged.some((fields) => (fields as { err?: unknown }).err === fault))
  isBroken = false
  release.resolve()
  expect((await first).status).toBe(200)
  expect((await second).status).toBe(200)
})

test('an address that cannot be judged fails its request alone', async () => {
  isBroken = true
  const origin = await open(() => ({
    isAllowedAddress: () => {
      breakIf()
      return true
    },
  }))
  const answer = await ask(origin)
  expect(answer.status).toBeGreaterThanOrEqual(500)
  isBroken = false
  const probe = connect(Number(new URL(origin).port), '127.0.0.1')
  await once(probe, 'connect')
  probe.destroy()
})
