/** What is kept of a request's body, and how little it matters in which pieces it came. */
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { stream } from '../../support/replies.ts'
import { openUpstream, type Upstream } from '../../support/upstream.ts'
import { until } from '../../support/until.ts'
import { deployment, openTestGateway, route, testKey, type TestGateway } from '../support/open-test-gateway.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

const content = { choices: [{ delta: { content: 'x' } }] }

/** A connection of a client that has sent the head of a request with a body of this length. */
async function begin(gateway: TestGateway, length: number): Promise<Socket> {
  const socket = connect({ port: gateway.port, host: '127.0.0.1', noDelay: true })
  socket.on('error', () => {}).resume()
  await once(socket, 'connect')
  const lines = [
    'POST /v1/chat/completions HTTP/1.1',
    'host: a',
    `authorization: Bearer ${testKey}`,
    'content-type: application/json',
    `content-length: ${length}`,
  ]
  socket.write(`${lines.join('\r\n')}\r\n\r\n`)
  return socket
}

/** Sends a request whose body comes cut behind so many bytes, and returns when it has been answered. */
async function postCut(gateway: TestGateway, body: string, cutAt: number): Promise<void> {
  const answered = gateway.records.length + 1
  const socket = await begin(gateway, body.length)
  socket.write(body.slice(0, cutAt))
  await until(() => gateway.gateway.inFlight === 1)
  await sleep(5)
  socket.write(body.slice(cutAt))
  await until(() => gateway.records.length === answered)
  socket.destroy()
}

test('of long prompts only their beginning is kept while their answers pass', async () => {
  // It keeps nothing itself.
  const answering: ServerResponse[] = []
  const upstream = createServer((message, response) => {
    message.resume().once('end', () => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write(`data: ${JSON.stringify(content)}\n\n`)
      answering.push(response)
    })
  }).listen(0, '127.0.0.1')
  await once(upstream, 'listening')
  const { port } = upstream.address() as AddressInfo
  await using gateway = await openTestGateway({
    deployments: [deployment('a', [`http://127.0.0.1:${port}/v1`])],
    routes: [route('chat', ['dep_a'])],
  })
  const messages = [{ role: 'user', content: 'x'.repeat(2_000_000) }]
  const body = Buffer.from(JSON.stringify({ model: 'chat', stream: true, messages }))
  const held = () => {
    collectGarbage()
    return process.memoryUsage().arrayBuffers
  }
  const before = held()
  const sockets: Socket[] = []
  for (let i = 0; i < 20; i++) {
    const socket = await begin(gateway, body.length)
    socket.write(body)
    sockets.push(socket)
    await until(() => answering.length === sockets.length)
  }
  await until(() => socketsAreAnswered(sockets) && held() - before < 20 * 400_000)
  for (const response of answering) response.end('data: [DONE]\n\n')
  await until(() => gateway.records.length === 20)
  upstream.close()
  for (const socket of sockets) socket.destroy()
})

function socketsAreAnswered(sockets: readonly Socket[]): boolean {
  return sockets.every(({ bytesRead }) => bytesRead > 0)
}

test('a prompt has its place by what it says, however it was cut on its way', async () => {
  const upstreams: Upstream[] = []
  await using disposing = new AsyncDisposableStack()
  for (let i = 0; i < 8; i++) upstreams.push(disposing.use(await openUpstream({ name: `u${i}` })))
  const urls = upstreams.map(({ baseUrl }) => baseUrl)
  await using gateway = await openTestGateway({
    deployments: [deployment('a', urls, { loadBalancing: 'PREFIX_AFFINITY' })],
    routes: [route('chat', ['dep_a'])],
  })
  const words = Array.from({ length: 400 }, (_, i) => `word${i}`).join(' ')
  const body = JSON.stringify({ model: 'chat', temperature: 0.5, messages: [{ role: 'user', content: words }] })
  for (const cutAt of [1, 20, 60, 300, 900, 1_500, body.length - 1]) await postCut(gateway, body, cutAt)
  const endpoints = new Set(gateway.records.map(({ attempts }) => attempts[0]!.endpointId))
  expect(endpoints.size).toBe(1)
})

test('the estimate of a long prompt does not depend on how it was cut on its way', async () => {
  await using upstream = await openUpstream({ script: () => stream([content, 'data: [DONE]\n\n']) })
  await using gateway = await openTestGateway({
    deployments: [deployment('a', [upstream.baseUrl])],
    routes: [route('chat', ['dep_a'])],
  })
  const sentence = 'A route is what clients send as model. '
  const messages = [{ role: 'user', content: sentence.repeat(5_000) }]
  const body = JSON.stringify({ model: 'chat', stream: true, messages })
  for (const cutAt of [1, 40, 1_000, 100_000]) await postCut(gateway, body, cutAt)
  const estimates = gateway.records.map(({ tokens }) => tokens!.inputTokens)
  expect(new Set(estimates).size).toBe(1)
  expect(estimates[0]).toBeGreaterThan(30_000)
})

test('a request whose body took its time goes where its route leads by then, if its key is still good', async () => {
  await using before = await openUpstream({ name: 'before' })
  await using behind = await openUpstream({ name: 'behind' })
  const deployments = [deployment('before', [before.baseUrl]), deployment('behind', [behind.baseUrl])]
  const leading = (name: string) => ({ deployments, routes: [route('chat', [`dep_${name}`])] })
  await using gateway = await openTestGateway(leading('before'))
  const body = JSON.stringify({ model: 'chat', messages: [] })
  const askSlowly = async (change: () => void) => {
    const socket = await begin(gateway, body.length)
    socket.write(body.slice(0, 10))
    await until(() => gateway.gateway.inFlight === 1)
    change()
    socket.write(body.slice(10))
    await until(() => gateway.gateway.inFlight === 0)
    socket.destroy()
    return gateway.records.at(-1)!
  }
  const moved = await askSlowly(() => gateway.use(leading('behind')))
  expect(moved).toMatchObject({ outcome: 'OK', backendId: 'dep_behind' })
  const revoked = await askSlowly(() => gateway.use({ ...leading('behind'), apiKeys: [] }))
  expect(revoked).toMatchObject({ outcome: 'DENIED', status: 401, attempts: [] })
})
