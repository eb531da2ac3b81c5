import { connect } from 'node:net'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { type GatewayErrorCode, gatewayErrors } from '../../../../src/routing/errors/gateway-errors.ts'
import { raw } from '../../../support/replies.ts'
import { openUpstream } from '../../../support/upstream.ts'
import { until } from '../../../support/until.ts'
import { deployment, openTestGateway, route, testKey, type TestGateway } from '../../support/open-test-gateway.ts'

/** Sends bytes as they are and returns all that comes back until the server closes, or until `enough` is in it. */
async function exchange(port: number, text: string | Buffer, enough?: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  let answer = ''
  socket.on('data', (chunk) => (answer += chunk.toString('latin1')))
  socket.on('error', () => {})
  const closed = once(socket, 'close')
  socket.write(text)
  if (enough === undefined) await closed
  else await until(() => answer.includes(enough), { what: enough })
  socket.destroy()
  return answer
}

const body = '{"model":"chat","messages":[]}'

function post(lines: readonly string[], content = body, version = '1.1'): string {
  const head = [`POST /v1/chat/completions HTTP/${version}`, `authorization: Bearer ${testKey}`, 'host: a', ...lines]
  return `${head.join('\r\n')}\r\n\r\n${content}`
}

const json = 'content-type: application/json'
const length = `content-length: ${body.length}`

async function open(baseUrl: string): Promise<TestGateway> {
  return await openTestGateway(
    { deployments: [deployment('a', [baseUrl])], routes: [route('chat', ['dep_a'])] },
    { maxRequestBytes: 100_000 },
  )
}

test.each([
  ['two Hosts', post(['host: b', json, length]), 400, 'bad_request'],
  ['no Host', post([json, length]).replace('host: a\r\n', ''), 400, 'bad_request'],
  ['an absolute target', post([json, length]).replace(' /v1', ' http://a/v1'), 400, 'bad_request'],
  ['a GET with a body', `GET /v1/models HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}`, 400, 'bad_request'],
  ['chunked on HTTP/1.0', post([json, 'transfer-encoding: chunked'], '0\r\n\r\n', '1.0'), 400, 'bad_request'],
  ['obsolete folding', post([json, length, 'x-a: 1\r\n 2']), 400, 'bad_request'],
  ['two lengths', post([json, length, 'content-length: 3']), 400, 'bad_request'],
  ['length and chunked', post([json, length, 'transfer-encoding: chunked']), 400, 'bad_request'],
  ['another expectation', post([json, length, 'expect: tea']), 417, 'expectation_failed'],
  ['another media type', post(['content-type: text/plain', length]), 415, 'unsupported_media_type'],
  ['a body in an unknown coding', post([json, 'content-encoding: br', length]), 415, 'unsupported_media_type'],
  ['another method', `DELETE /v1/chat/completions HTTP/1.1\r\nhost: a\r\n\r\n`, 405, 'method_not_allowed'],
  ['a HEAD where a POST belongs', `HEAD /v1/chat/completions HTTP/1.1\r\nhost: a\r\n\r\n`, 405, undefined],
  ['an unknown path', `POST /v1/nothing HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n`, 404, 'unknown_url'],
  ['large headers', post([json, length, `x-a: ${'a'.repeat(20_000)}`]), 431, 'headers_too_large'],
  ['no HTTP', 'hello\r\n\r\n', 400, 'bad_request'],
  ['HTTP/2 without being asked', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400, 'bad_request'],
  ['a line that ends with LF alone', post([json, length]).replace('host: a\r\n', 'host: a\n'), 400, 'bad_request'],
  ['a head whose lines all end with LF alone', 'GET / HTTP/1.1\nhost: a\n\n', 400, 'bad_request'],
  ['another coding', post([json, 'transfer-encoding: gzip, chunked'], '0\r\n\r\n'), 400, 'bad_request'],
  ['chunks that cannot be read', post([json, 'transfer-encoding: chunked'], 'hello\r\n'), 400, 'bad_request'],
  ['an authority as target', 'CONNECT a:443 HTTP/1.1\r\nhost: a\r\n\r\n', 400, 'bad_request'],
])('%s is refused', async (_, text, status, code) => {
  await using upstream = await openUpstream()
  await using gateway = await open(upstream.baseUrl)
  const answer = await exchange(gateway.port, text, code ?? '\r\n\r\n')
  expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
  expect(answer).toMatch(/x-request-id: req_[0-9a-z]{26}/i)
  expect(upstream.requests).toHaveLength(0)
})

const chat = '/v1/chat/completions'

test.each([
  ['large headers', post([json, length, `x-a: ${'a'.repeat(20_000)}`]), chat, 'headers_too_large'],
  ['a long target', `GET /v1/models/${'a'.repeat(20_000)}`, '/v1/models/{name}', 'headers_too_large'],
  ['a long query', `\r\nPOST ${chat}?${'a'.repeat(20_000)}`, chat, 'headers_too_large'],
  ['folding', post([json, length, 'x-a: 1\r\n 2']), chat, 'bad_request'],
  ['two media types', post([json, json, length]), chat, 'bad_request'],
  ['a control character', post([json, length, 'x-a: \x01']), chat, 'bad_request'],
  ['lines that end with LF alone', `GET /v1/models HTTP/1.1\nhost: a\n\n`, '/v1/models', 'bad_request'],
  ['a path that is none', `GET /v1/nothing HTTP/1.1\r\nhost : a\r\n\r\n`, 'unknown', 'bad_request'],
  ['two Hosts', post(['host: b', json, length]), chat, 'bad_request'],
])('a request that is refused for its head leaves a record: %s', async (_, text, operation, errorCode) => {
  await using gateway = await open('http://127.0.0.1:9/v1')
  const answer = await exchange(gateway.port, text)
  const id = /\r\nx-request-id: (\S+)\r\n/.exec(answer)?.[1]
  const { status } = gatewayErrors[errorCode as GatewayErrorCode]
  expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} [^]*"code":"${errorCode}"`))
  const caller = { apiKeyId: null, userId: null, requestedModel: null, routeId: null, attempts: [] }
  expect(gateway.records).toMatchObject([{ id, operation, status, errorCode, outcome: 'CLIENT_ERROR', ...caller }])
})

test('the answer to a head that cannot be read waits for its record, as every other does', async () => {
  const releases: (() => void)[] = []
  await using gateway = await openTestGateway({}, { append: (_, written) => void releases.push(written) })
  let isAnswered = false
  const answered = exchange(gateway.port, post([json, json, length])).finally(() => (isAnswered = true))
  await until(() => releases.length === 1)
  expect(await gateway.get('/healthz').then(({ status }) => status)).toBe(200)
  expect(isAnswered).toBe(false)
  releases[0]!()
  expect(await answered).toMatch(/^HTTP\/1.1 400 /)
  expect(gateway.gateway.inFlight).toBe(0)
})

test('what did not begin as a request, or was not answered, leaves no record', async () => {
  await using gateway = await open('http://127.0.0.1:9/v1')
  const clientHello = Buffer.from('16030100f8010000f40303a10d0a0d0a', 'hex')
  for (const text of ['hello\r\n\r\n', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', clientHello, 'x'.repeat(20_000)])
    expect(await exchange(gateway.port, text)).toMatch(/^HTTP\/1.1 4\d\d /)
  const left = connect(gateway.port, '127.0.0.1')
  left.end('POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\n')
  await once(left.resume(), 'close')
  expect(gateway.records).toEqual([])
})

const modelsOf = (lines: readonly string[], version = '1.1') =>
  `GET /v1/models HTTP/${version}\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`

test.each([
  ['two Hosts', modelsOf(['host: a', 'host: b'])],
  ['no Host', modelsOf([])],
  ['an absolute target', modelsOf(['host: a']).replace(' /v1', ' http://a/v1')],
  ['a GET with a body', `${modelsOf(['host: a', 'content-length: 2'])}{}`],
  [
    'chunks on HTTP/1.0',
    `${modelsOf(['connection: keep-alive', 'host: a', 'transfer-encoding: chunked'], '1.0')}0\r\n\r\n`,
  ],
])('behind what two programs could read in two ways no other request is served: %s', async (_, text) => {
  await using gateway = await open('http://127.0.0.1:9/v1')
  const answer = await exchange(gateway.port, text + modelsOf(['host: a', `authorization: Bearer ${testKey}`]))
  expect(answer.match(/HTTP\/1.1 \d+/g)).toHaveLength(1)
  expect(answer).toMatch(/\r\nconnection: close\r\n/)
})

test('an unknown path is shown as it came, but not at any length', async () => {
  await using gateway = await open('http://127.0.0.1:9/v1')
  const messageFor = async (path: string) => {
    const answer = await exchange(gateway.port, `POST ${path} HTTP/1.1\r\nhost: a\r\n\r\n`, '"code"')
    return (JSON.parse(answer.slice(answer.indexOf('{'))) as { error: { message: string } }).error.message
  }
  const encoded = '/v1/chat%2Fcompletions'
  expect(await messageFor(`${encoded}?secret`)).toBe(`There is no such operation: ${encoded}.`)
  expect(await messageFor(`/${'"<%'.repeat(1_000)}`)).toMatch(/^There is no such operation: \/(?:"<%){53}.{1,3}\.$/)
})

test('HEAD of the models has the headers and no body', async () => {
  await using gateway = await open('http://127.0.0.1:9/v1')
  const answer = await fetch(`${gateway.origin}/v1/models`, {
    method: 'HEAD',
    headers: { authorization: `Bearer ${testKey}` },
  })
  expect(answer.status).toBe(200)
  expect(await answer.text()).toBe('')
})

test('a client that expects to be invited is, and one whose body is too long is not', async () => {
  await using upstream = await openUpstream()
  await using gateway = await open(upstream.baseUrl)
  const invited = await exchange(gateway.port, post([json, length, 'expect: 100-continue']), 'hello from')
  expect(invited).toMatch(/^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 200 OK/)
  const refused = await exchange(
    gateway.port,
    post([json, 'content-length: 200000', 'expect: 100-continue'], ''),
    'large',
  )
  expect(refused).toMatch(/^HTTP\/1.1 413 /)
})

test('a body over the limit is refused by its length, and by what arrives', async () => {
  await using upstream = await openUpstream()
  await using gateway = await open(upstream.baseUrl)
  const long = `{"model":"chat","x":"${'x'.repeat(200_000)}"}`
  const withLength = await gateway.post('/chat/completions', long)
  expect(withLength.status).toBe(413)
  const chunked = `${long.length.toString(16)}\r\n${long}\r\n`
  const text = await exchange(gateway.port, post([json, 'transfer-encoding: chunked'], chunked), 'request_too_large')
  expect(text).toMatch(/^HTTP\/1.1 413 /)
  expect(upstream.requests).toHaveLength(0)
})

test('behind an answer that ends the connection nothing is read, also if the body that was refused ends in the same piece', async () => {
  await using gateway = await open('http://127.0.0.1:9/v1')
  const long = 'x'.repeat(150_000)
  const chunked = `${long.length.toString(16)}\r\n${long}\r\n0\r\n\r\n`
  const next = 'GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n'
  for (const end of [chunked, `${long.length.toString(16)}\r\n${long}broken\r\n`]) {
    const answer = await exchange(gateway.port, post([json, 'transfer-encoding: chunked'], `${end}${next}`))
    expect(answer.match(/HTTP\/1.1 \d+/g)).toEqual(['HTTP/1.1 413'])
  }
})

test('a header that Connection lists does not pass, nor does any key, cookie or unknown header', async () => {
  await using upstream = await openUpstream()
  await using gateway = await open(upstream.baseUrl)
  const lines = [json, length, 'connection: close, openai-beta', 'openai-beta: a=b', 'traceparent: 00-1-2-00']
  const secrets = [
    'cookie: a=b',
    'x-api-key: k',
    'api-key: k',
    'x-forwarded-for: 1.2.3.4',
    'x-custom: 1',
    'te: trailers',
  ]
  await exchange(gateway.port, post([...lines, ...secrets]))
  const { headers } = upstream.requests[0]!
  expect(headers['traceparent']).toBe('00-1-2-00')
  expect(headers['accept-encoding']).toBe('identity')
  expect(Object.keys(headers).sort()).toEqual([
    'accept-encoding',
    'connection',
    'content-length',
    'content-type',
    'host',
    'traceparent',
    'x-request-id',
  ])
})

test('the client sees what it may of the upstream headers, and nothing else', async () => {
  await using upstream = await openUpstream()
  await using gateway = await open(upstream.baseUrl)
  upstream.setScript(() => ({ response }) => {
    response.setHeader('set-cookie', ['a=1', 'b=2'])
    response.setHeader('server', 'uvicorn')
    response.setHeader('x-request-id', 'theirs')
    response.setHeader('x-ratelimit-remaining-requests', '7')
    response.setHeader('retry-after', '3')
    response.setHeader('openai-organization', 'secret')
    response.setHeader('date', 'Mon, 01 Jan 2024 00:00:00 GMT')
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end('{}')
  })
  const { headers } = await gateway.post('/chat/completions', body)
  // It speaks of the operator's account.
  expect(headers.get('x-ratelimit-remaining-requests')).toBe(null)
  expect(headers.get('retry-after')).toBe('3')
  expect(headers.get('date')).toBe('Mon, 01 Jan 2024 00:00:00 GMT')
  expect(headers.get('x-request-id')).toMatch(/^req_/)
  for (const name of ['set-cookie', 'server', 'openai-organization']) expect(headers.has(name)).toBe(false)
})

test('HTTP/1.0 gets its answer and its connection closed', async () => {
  await using upstream = await openUpstream()
  await using gateway = await open(upstream.baseUrl)
  const answer = await exchange(gateway.port, post([json, length], body, '1.0'))
  expect(answer).toContain('hello from')
  expect(answer).not.toContain('transfer-encoding')
})

test('requests that come one behind the other in one connection are answered in order', async () => {
  await using upstream = await openUpstream()
  await using gateway = await open(upstream.baseUrl)
  const last = post([json, length, 'connection: close'])
  const answer = await exchange(gateway.port, post([json, length]) + post([json, length]) + last)
  expect(answer.match(/HTTP\/1.1 200 OK/g)).toHaveLength(3)
})

test('a query string reaches the upstream as it is', async () => {
  await using upstream = await openUpstream()
  await using gateway = await open(upstream.baseUrl)
  await gateway.post('/chat/completions?beta=true&x=%20', body)
  expect(upstream.requests[0]?.path).toBe('/v1/chat/completions?beta=true&x=%20')
})

test('of thousands of requests in one piece each gets its answer, in order', async () => {
  await using gateway = await open('http://127.0.0.1:9/v1')
  const many = 5_000
  const requests = 'GET /readyz HTTP/1.1\r\nhost: a\r\n\r\nGET /v1/x HTTP/1.1\r\nhost: a\r\n\r\n'.repeat(many)
  const answer = await exchange(gateway.port, `${requests}GET /healthz HTTP/1.0\r\nhost: a\r\n\r\n`)
  expect(answer.match(/HTTP\/1.1 \d+ /g)).toEqual([
    ...Array.from({ length: many }, () => ['HTTP/1.1 200 ', 'HTTP/1.1 404 ']).flat(),
    'HTTP/1.1 200 ',
  ])
})

test('an answer that does not wait for the body leaves the connection usable if the rest is short, and ends it if not', async () => {
  await using gateway = await open('http://127.0.0.1:9/v1')
  const unknown = (rest: number) => `POST /v1/x HTTP/1.1\r\nhost: a\r\ncontent-length: ${rest}\r\n\r\n`
  const next = 'GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n'
  const short = await exchange(gateway.port, `${unknown(1000)}${'x'.repeat(1000)}${next}`)
  expect(short.match(/HTTP\/1.1 \d+/g)).toEqual(['HTTP/1.1 404', 'HTTP/1.1 200'])
  const long = await exchange(gateway.port, `${unknown(100_000)}${next}`)
  expect(long).toMatch(/^HTTP\/1.1 404 [^]*connection: close/)
  expect(long).not.toContain('HTTP/1.1 200')
})

test('a client that was not invited to send its body has its connection ended: its next request would be taken for the body', async () => {
  await using gateway = await open('http://127.0.0.1:9/v1')
  const request = 'POST /v1/x HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n'
  const answer = await exchange(gateway.port, request)
  expect(answer).toMatch(/^HTTP\/1.1 404 [^]*connection: close/)
})

test('a chunked body is put together, its extensions and trailers read over', async () => {
  await using upstream = await openUpstream()
  await using gateway = await open(upstream.baseUrl)
  const half = body.length >> 1
  const chunks = [body.slice(0, half), body.slice(half)].map((part) => `${part.length.toString(16)};a=b\r\n${part}\r\n`)
  const lines = [json, 'transfer-encoding: chunked', 'connection: close']
  const answer = await exchange(gateway.port, post(lines, `${chunks.join('')}0\r\nx-trailer: 1\r\n\r\n`))
  expect(answer).toContain('hello from')
  expect(upstream.requests[0]?.headers['content-length']).toBe(String(upstream.requests[0]?.body.length))
})

test('a request may come in any pieces', async () => {
  await using upstream = await openUpstream()
  await using gateway = await open(upstream.baseUrl)
  const socket = connect(gateway.port, '127.0.0.1')
  socket.setNoDelay(true)
  let answer = ''
  socket.on('data', (chunk) => (answer += chunk.toString('latin1')))
  const closed = once(socket, 'close')
  for (const character of post([json, length, 'connection: close'])) {
    socket.write(character)
    await new Promise(setImmediate)
  }
  await closed
  expect(answer).toMatch(/^HTTP\/1.1 200 OK[^]*hello from/)
})

test('the key is looked at before the body', async () => {
  await using gateway = await open('http://127.0.0.1:9/v1')
  for (const lines of [
    ['content-type: text/plain', length],
    [json, 'content-length: 100001'],
  ]) {
    const text = post(lines).replace(testKey, 'sbx_another_key')
    expect(await exchange(gateway.port, text, 'error')).toMatch(/^HTTP\/1.1 401 /)
  }
})

test('an empty bearer token is none: the next header counts', async () => {
  await using upstream = await openUpstream()
  await using gateway = await open(upstream.baseUrl)
  const text = post([json, length, `x-api-key: ${testKey}`]).replace(`Bearer ${testKey}`, 'Bearer ')
  expect(await exchange(gateway.port, text, 'hello from')).toMatch(/^HTTP\/1.1 200 /)
})

test('unknown paths below that of messages are answered as Anthropic would', async () => {
  await using gateway = await open('http://127.0.0.1:9/v1')
  const answer = await gateway.post('/messages/batches', body)
  expect(answer.status).toBe(404)
  expect(await answer.json()).toMatchObject({ type: 'error', error: { type: 'not_found_error' } })
})

test('HTTP/1.0 knows no expectations', async () => {
  await using upstream = await openUpstream()
  await using gateway = await open(upstream.baseUrl)
  for (const expectation of ['100-continue', 'tea']) {
    const answer = await exchange(gateway.port, post([json, length, `expect: ${expectation}`], body, '1.0'))
    expect(answer).toMatch(/^HTTP\/1.1 200 OK\r\n/)
  }
})

test('an answer that breaks off looks whole to nobody, not even where the end of the connection is its end', async () => {
  await using upstream = await openUpstream({
    script: () =>
      raw(
        'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\ne\r\n{"choices":[{"\r\n',
      ),
  })
  await using gateway = await open(upstream.baseUrl)
  const socket = connect(gateway.port, '127.0.0.1')
  socket.resume()
  const failed = once(socket, 'error') as Promise<[NodeJS.ErrnoException]>
  socket.write(post([json, length], body, '1.0'))
  const [error] = await failed
  expect(error.code).toBe('ECONNRESET')
})

test('what is wrong with a head is said in the words of the operation that it names', async () => {
  await using gateway = await open('http://127.0.0.1:1/v1')
  const twice = post([json, json, length])
  expect(await exchange(gateway.port, twice)).toContain('"code":"bad_request"')
  const ofAnthropic = await exchange(gateway.port, twice.replace('/v1/chat/completions', '/v1/messages?beta=true'))
  expect(ofAnthropic).toContain('{"type":"error","error":{"type":"invalid_request_error"')
  expect(ofAnthropic).toMatch(/\r\nrequest-id: req_/)
})

test.each(['/healthz', '/readyz', '/metrics'])(
  '%s is as strict as everything else: two Hosts are refused',
  async (path) => {
    await using gateway = await openTestGateway({})
    const answer = await exchange(
      gateway.port,
      `GET ${path} HTTP/1.1\r\nhost: a\r\nhost: b\r\nconnection: close\r\n\r\n`,
    )
    expect(answer).toMatch(/^HTTP\/1\.1 400 /)
  },
)
