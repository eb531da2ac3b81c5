import { once } from 'node:events'
import { connect } from 'node:net'
import { setInterval } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { openUpstream } from '../../support/upstream.ts'
import { until } from '../../support/until.ts'
import { deployment, openTestGateway, route, testKey } from '../support/open-test-gateway.ts'

const timeout = 60_000

/** What a gateway says to a client that stops in the middle, and after how many milliseconds it closed. */
async function stopBehind(
  port: number,
  text: string,
  trickle = '',
): Promise<{ answer: string; closedAfterMs: number }> {
  const socket = connect(port, '127.0.0.1')
  let answer = ''
  socket.on('data', (chunk) => (answer += chunk.toString('latin1')))
  socket.on('error', () => {})
  const closed = once(socket, 'close')
  const startedAtMs = performance.now()
  socket.write(text)
  const stopped = new AbortController()
  const dripping = (async () => {
    for await (const _ of setInterval(2_000, undefined, { signal: stopped.signal })) socket.write(trickle)
  })().catch(() => undefined)
  if (trickle === '') stopped.abort()
  await closed
  stopped.abort()
  await dripping
  return { answer, closedAfterMs: performance.now() - startedAtMs }
}

const head = [
  'POST /v1/chat/completions HTTP/1.1',
  'host: a',
  `authorization: Bearer ${testKey}`,
  'content-type: application/json',
].join('\r\n')

test.concurrent(
  'headers that stop are answered after 15 s, also if a byte comes now and then',
  { timeout },
  async () => {
    await using gateway = await openTestGateway({})
    const stopped = await Promise.all([
      stopBehind(gateway.port, head),
      stopBehind(gateway.port, `${head}\r\nx-slow: `, 'a'),
      stopBehind(gateway.port, 'hello'),
    ])
    for (const { answer, closedAfterMs } of stopped) {
      expect(answer).toMatch(/^HTTP\/1.1 408 /)
      expect(answer).toContain('"code":"request_timeout"')
      expect(closedAfterMs).toBeGreaterThan(14_000)
      expect(closedAfterMs).toBeLessThan(30_000)
    }
    // The third one never began to ask for anything.
    const record = { operation: '/v1/chat/completions', outcome: 'CLIENT_ERROR', errorCode: 'request_timeout' }
    expect(gateway.records).toMatchObject([record, record])
  },
)

test.concurrent(
  'a body that is silent for 30 s is given up, and its upstream was never asked',
  { timeout },
  async () => {
    await using upstream = await openUpstream()
    await using gateway = await openTestGateway({
      deployments: [deployment('a', [upstream.baseUrl])],
      routes: [route('chat', ['dep_a'])],
    })
    const { answer, closedAfterMs } = await stopBehind(
      gateway.port,
      `${head}\r\ncontent-length: 1000\r\n\r\n{"model":"chat",`,
    )
    expect(answer).toMatch(/^HTTP\/1.1 408 /)
    expect(answer).toContain('"code":"request_timeout"')
    expect(closedAfterMs).toBeGreaterThan(29_000)
    expect(upstream.requests).toHaveLength(0)
    expect(gateway.records).toMatchObject([{ outcome: 'CLIENT_ERROR', status: 408, errorCode: 'request_timeout' }])
  },
)

test.concurrent('a slow body that never pauses for long is served, however long it takes', { timeout }, async () => {
  await using upstream = await openUpstream()
  await using gateway = await openTestGateway({
    deployments: [deployment('a', [upstream.baseUrl])],
    routes: [route('chat', ['dep_a'])],
  })
  // Some 15 KB in 30 s, twice the least pace, in 30 pieces.
  const pieceBytes = 512
  const body = `{"model":"chat","messages":[],"x":"${'x'.repeat(30 * pieceBytes - 36)}"}`
  const socket = connect(gateway.port, '127.0.0.1')
  let answer = ''
  socket.on('data', (chunk) => (answer += chunk.toString('latin1')))
  socket.write(`${head}\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n`)
  const closed = once(socket, 'close')
  let sent = 0
  // Longer than the 30 s of silence, and than the 15 s for headers.
  for await (const _ of setInterval(1_100)) {
    socket.write(body.slice(sent, (sent += pieceBytes)))
    if (sent >= body.length) break
  }
  await closed
  expect(answer).toMatch(/^HTTP\/1.1 200 /)
  expect(upstream.requests).toHaveLength(1)
})

test.concurrent(
  'a client that leaves its answer untaken is taken for gone, and its upstream is let go',
  { timeout },
  async () => {
    const piece = Buffer.alloc(64 * 1024, 'x')
    await using upstream = await openUpstream({
      script:
        () =>
        ({ response }) => {
          response.writeHead(200, { 'content-type': 'application/octet-stream' })
          const fill = () => void (response.write(piece) ? setImmediate(fill) : response.once('drain', fill))
          fill()
        },
    })
    await using gateway = await openTestGateway(
      { deployments: [deployment('a', [upstream.baseUrl])], routes: [route('chat', ['dep_a'])] },
      { limits: { untakenMs: 3_000 } },
    )
    const body = '{"model":"chat"}'
    const socket = connect(gateway.port, '127.0.0.1')
    socket.pause()
    socket.on('error', () => {})
    const startedAtMs = performance.now()
    socket.write(`${head}\r\ncontent-length: ${body.length}\r\n\r\n${body}`)
    await until(() => gateway.gateway.live.totalInFlight === 1)
    await until(() => gateway.gateway.live.totalInFlight === 0, { timeoutMs: timeout })
    expect(performance.now() - startedAtMs).toBeGreaterThan(3_000)
    await upstream.requests[0]!.closed
    expect(gateway.records).toMatchObject([{ outcome: 'CANCELLED', status: 200 }])
    socket.destroy()
  },
)
