/** A gateway that has slept looks what is current before it serves: what came meanwhile, and was sent meanwhile, is not lost. */
import { connect } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { until } from '../../support/until.ts'
import { openUpstream, type Upstream } from '../../support/upstream.ts'
import { deployment, openTestGateway, route, type TestGateway, testKey } from '../support/open-test-gateway.ts'

const megabyte = 1024 * 1024
let opened = new AsyncDisposableStack()

afterEach(async () => {
  await opened.disposeAsync()
  opened = new AsyncDisposableStack()
})

interface Sleeper {
  readonly upstream: Upstream
  readonly gateway: TestGateway
  /** It has looked. */
  readonly awake: () => void
}

async function openSleeper(): Promise<Sleeper> {
  const upstream = opened.use(await openUpstream({ name: 'a' }))
  const looked = Promise.withResolvers<void>()
  let isAwake = false
  const gateway = opened.use(
    await openTestGateway(
      { deployments: [deployment('a', [upstream.baseUrl])], routes: [route('chat', ['dep_a'])] },
      { ports: { judgeSnapshot: () => (isAwake ? null : looked.promise) } },
    ),
  )
  const awake = () => {
    isAwake = true
    looked.resolve()
  }
  return { upstream, gateway, awake }
}

test.each([
  ['a short body', 10],
  ['a body of many packets', megabyte],
])('%s that came while the gateway looked goes upstream whole', async (_, length) => {
  const { upstream, gateway, awake } = await openSleeper()
  const content = 'x'.repeat(length)
  const answers = [1, 2].map(() => gateway.post('/chat/completions', { model: 'chat', messages: [content] }))
  await until(() => gateway.gateway.inFlight === 2)
  awake()
  expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([200, 200])
  expect(upstream.inferences.map(({ body }) => body.toString())).toEqual(
    answers.map(() => JSON.stringify({ model: 'served-a', messages: [content] })),
  )
})

test('a chunked body, and a request pipelined behind it, are answered in order', async () => {
  const { upstream, gateway, awake } = await openSleeper()
  const client = connect(gateway.port, '127.0.0.1')
  opened.defer(() => void client.destroy())
  let answer = ''
  client.on('data', (bytes) => (answer += bytes.toString('latin1')))
  const head = `POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${testKey}\r\ncontent-type: application/json\r\n`
  const body = '{"model":"chat","n":1}'
  client.write(`${head}transfer-encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`)
  client.write(`${head}content-length: ${body.length}\r\n\r\n${body.replace('1', '2')}`)
  await until(() => gateway.gateway.inFlight === 1)
  awake()
  await until(() => answer.split('HTTP/1.1 200').length === 3)
  expect(upstream.inferences.map((request) => (request.json() as { n: number }).n)).toEqual([1, 2])
})

test('what is refused after the look costs the next request on its connection nothing, and who leaves meanwhile is gone', async () => {
  const { upstream, gateway, awake } = await openSleeper()
  const client = connect(gateway.port, '127.0.0.1')
  const leaver = connect(gateway.port, '127.0.0.1')
  opened.defer(() => void client.destroy())
  let answer = ''
  client.on('data', (bytes) => (answer += bytes.toString('latin1')))
  const body = '{"model":"chat"}'
  const request = (key: string) =>
    `POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${key}\r\ncontent-length: ${body.length}\r\n\r\n${body}`
  client.write(request('sbx_wrong') + request(testKey))
  leaver.write(request(testKey))
  await until(() => gateway.gateway.inFlight === 2)
  leaver.resetAndDestroy()
  await until(() => gateway.gateway.inFlight === 1)
  awake()
  await until(() => /HTTP\/1\.1 401 [^]*HTTP\/1\.1 200 /.test(answer))
  expect(upstream.inferences).toHaveLength(1)
  await until(() => gateway.gateway.inFlight === 0)
})
