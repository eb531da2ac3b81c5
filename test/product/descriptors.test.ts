/** A gateway that has no file descriptors left: its clients are connected, and it can connect to the upstream for some of them only. */
import { connect, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { type Product, startProduct } from '../support/product.ts'
import { after, status } from '../support/replies.ts'
import { until } from '../support/until.ts'
import { openUpstream } from '../support/upstream.ts'

const clients = 130

test('what the gateway itself lacks is held against no upstream: 503, and to be tried again', async () => {
  const gate = Promise.withResolvers<void>()
  await using upstream = await openUpstream({ name: 'llama', script: () => after(gate.promise, status(200, {})) })
  await using product = await startProduct({ wrapper: ['sh', '-c', 'ulimit -n 256; exec "$@"', 'sh'] })
  await product.graphql.change(
    `mutation ($input: DeploymentCreateInput!) { deploymentCreate(input: $input) { userErrors { code path message } } }`,
    { input: { name: 'llama', endpoints: [{ url: upstream.baseUrl }] } },
  )
  const connected = await Promise.all(Array.from({ length: clients }, () => openClient(product)))
  const answers = connected.map(({ ask }) => ask())
  let refused = 0
  for (const answer of answers) void answer.then((head) => (refused += head.startsWith('HTTP/1.1 503 ') ? 1 : 0))
  await until(() => refused > 0 && upstream.inferences.length + refused === clients)
  gate.resolve()
  for (const head of await Promise.all(answers))
    expect(head).toMatch(/^HTTP\/1.1 (200 |503 [^]*\r\nretry-after: 1\r\n)/)
  expect(product.logs().filter(({ msg }) => msg === 'circuit opened')).toEqual([])
  expect(await connected[0]!.ask()).toMatch(/^HTTP\/1.1 200 /)
  for (const { socket } of connected) socket.destroy()
})

/** A connection that the gateway has accepted: it has answered on it. */
async function openClient(product: Product): Promise<{ socket: Socket; ask: () => Promise<string> }> {
  const { hostname, port } = new URL(product.gatewayUrl)
  const socket = connect(Number(port), hostname)
  const send = async (request: string) => {
    socket.write(request)
    const { promise, resolve, reject } = Promise.withResolvers<string>()
    socket.once('data', (bytes) => resolve(bytes.toString('latin1')))
    socket.once('error', reject)
    return promise
  }
  await send('GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n')
  const body = '{"model":"llama","messages":[]}'
  const head = `POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${product.adminKey}\r\n`
  const request = `${head}content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`
  return { socket, ask: () => send(request) }
}
