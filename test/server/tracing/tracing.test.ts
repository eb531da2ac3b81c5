import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { formatTraceParent, parseTraceParent } from '../../../src/server/tracing/trace-parent.ts'
import type { TraceSampling } from '../../../src/server/tracing/sampling.ts'
import { openTracing, type Tracing } from '../../../src/server/tracing/tracing.ts'
import { deployment, openTestGateway, provider, route } from '../../gateway/support/open-test-gateway.ts'
import { type CollectedSpan, openOtlpCollector } from '../../support/otlp-collector.ts'
import { startProduct } from '../../support/product.ts'
import { status } from '../../support/replies.ts'
import { until } from '../../support/until.ts'
import { openUpstream } from '../../support/upstream.ts'

const traceId = '0af7651916cd43dd8448eb211c80319c'
const clientSpanId = 'b7ad6b7169203331'
const fromClient = { traceparent: `00-${traceId}-${clientSpanId}-01`, tracestate: 'vendor=a,other=b' }

interface LogLine {
  readonly fields: object
  readonly message: string
}

async function trace(endpoint: string, sampling: Partial<TraceSampling> = {}, lines: LogLine[] = []): Promise<Tracing> {
  const write = (fields: object, message: string) => void lines.push({ fields, message })
  const tracing = await openTracing(endpoint, {
    sampling: { name: 'parentbased_always_on', ratio: 1, ...sampling },
    version: '1.2.3',
    instanceId: 'gateway-of-a-test',
    log: { info: write, warn: write },
  })
  return tracing!
}

const chat = { model: 'chat', messages: [] }

test('a request is a span, each attempt is one below it, and the upstream continues the client’s trace', async () => {
  await using collector = await openOtlpCollector()
  await using broken = await openUpstream(() => status(500))
  await using good = await openUpstream({ name: 'good' })
  const tracing = await trace(collector.endpoint)
  await using gateway = await openTestGateway(
    {
      deployments: [deployment('broken', [broken.baseUrl])],
      providers: [provider('cloud', good.baseUrl, { kind: 'MISTRAL' })],
      routes: [route('chat', ['dep_broken'], { fallback: ['pmd_cloud'] })],
    },
    { ports: { tracer: tracing.tracer } },
  )
  const answer = await gateway.post('/chat/completions', chat, fromClient)
  await answer.text()
  await tracing[Symbol.asyncDispose]()

  const [request, first, second] = inOrder(collector.spans)
  expect(collector.spans).toHaveLength(3)
  expect(request).toMatchObject({
    traceId,
    parentSpanId: clientSpanId,
    traceState: 'vendor=a,other=b',
    name: 'chat chat',
    kind: 'SERVER',
    isError: false,
    attributes: {
      'http.request.method': 'POST',
      'http.route': '/v1/chat/completions',
      'http.response.status_code': 200,
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'signalbox',
      'gen_ai.request.model': 'chat',
      'signalbox.request_id': answer.headers.get('x-request-id'),
      'signalbox.outcome': 'ok_by_fallback',
      'signalbox.attempts': 2,
      'signalbox.backend': 'cloud/model-of-cloud',
      'signalbox.fallback.trigger': 'server_error',
    },
    resource: {
      'service.name': 'signalbox',
      'service.version': '1.2.3',
      'service.instance.id': 'gateway-of-a-test',
    },
  })
  expect(first).toMatchObject({
    traceId,
    parentSpanId: request!.spanId,
    name: 'chat served-broken',
    kind: 'CLIENT',
    isError: true,
    attributes: {
      'gen_ai.provider.name': 'other',
      'gen_ai.request.model': 'served-broken',
      'http.response.status_code': 500,
      'error.type': 'server_error',
      'server.address': '127.0.0.1',
      'server.port': broken.port,
      'signalbox.trigger': 'server_error',
      'signalbox.fallback': false,
    },
  })
  const { tokens } = gateway.records[0]!
  expect(second).toMatchObject({
    traceId,
    parentSpanId: request!.spanId,
    name: 'chat model-of-cloud',
    isError: false,
    attributes: {
      'gen_ai.provider.name': 'mistral_ai',
      'gen_ai.request.model': 'model-of-cloud',
      'gen_ai.usage.input_tokens': tokens!.inputTokens,
      'gen_ai.usage.output_tokens': tokens!.outputTokens,
      'http.request.resend_count': 1,
      'signalbox.fallback': true,
    },
  })
  expect(headerOf(broken, 'traceparent')).toBe(`00-${traceId}-${first!.spanId}-01`)
  expect(headerOf(good, 'traceparent')).toBe(`00-${traceId}-${second!.spanId}-01`)
  expect(headerOf(good, 'tracestate')).toBe('vendor=a,other=b')
  expectWithin(first!, request!)
  expectWithin(second!, request!)
  expect(second!.startMs).toBeGreaterThanOrEqual(first!.endMs - 1)
  expect(collector.exports[0]).toEqual({ path: '/v1/traces', contentType: 'application/x-protobuf' })
})

test.for([
  ['none', undefined],
  ['one that is not well-formed', '00-nonsense-01'],
  ['one of zeros', `00-${'0'.repeat(32)}-${clientSpanId}-01`],
])('with %s from the client a trace begins here', async ([, traceparent]) => {
  await using collector = await openOtlpCollector()
  await using upstream = await openUpstream()
  const tracing = await trace(collector.endpoint)
  await using gateway = await openTestGateway(
    { deployments: [deployment('llama', [upstream.baseUrl])], routes: [route('chat', ['dep_llama'])] },
    { ports: { tracer: tracing.tracer } },
  )
  const headers = { ...(traceparent !== undefined && { traceparent }), tracestate: 'vendor=a' }
  await (await gateway.post('/chat/completions', chat, headers)).text()
  await tracing[Symbol.asyncDispose]()
  const [request, attempt] = inOrder(collector.spans)
  expect(request).toMatchObject({ parentSpanId: '', traceState: '' })
  expect(request!.traceId).toMatch(/^[0-9a-f]{32}$/)
  expect(headerOf(upstream, 'traceparent')).toBe(`00-${request!.traceId}-${attempt!.spanId}-01`)
  expect(headerOf(upstream, 'tracestate')).toBeUndefined()
})

test('a trace that the client does not sample is passed on, and not collected', async () => {
  await using collector = await openOtlpCollector()
  await using upstream = await openUpstream()
  const tracing = await trace(collector.endpoint)
  await using gateway = await openTestGateway(
    { deployments: [deployment('llama', [upstream.baseUrl])], routes: [route('chat', ['dep_llama'])] },
    { ports: { tracer: tracing.tracer } },
  )
  await (await gateway.post('/chat/completions', chat, { traceparent: `00-${traceId}-${clientSpanId}-00` })).text()
  await tracing[Symbol.asyncDispose]()
  expect(headerOf(upstream, 'traceparent')).toMatch(new RegExp(`^00-${traceId}-[0-9a-f]{16}-00$`))
  expect(collector.spans).toEqual([])
})

test('of the sampler that is always off nothing is collected', async () => {
  await using collector = await openOtlpCollector()
  const tracing = await trace(collector.endpoint, { name: 'always_off' })
  await using gateway = await openTestGateway({}, { ports: { tracer: tracing.tracer } })
  await (await gateway.post('/chat/completions', chat, fromClient)).text()
  await tracing[Symbol.asyncDispose]()
  expect(collector.spans).toEqual([])
})

test('without traces the headers of the client’s trace pass as they are', async () => {
  await using upstream = await openUpstream()
  await using gateway = await openTestGateway({
    deployments: [deployment('llama', [upstream.baseUrl])],
    routes: [route('chat', ['dep_llama'])],
  })
  await (await gateway.post('/chat/completions', chat, fromClient)).text()
  expect(headerOf(upstream, 'traceparent')).toBe(fromClient.traceparent)
  expect(headerOf(upstream, 'tracestate')).toBe(fromClient.tracestate)
})

test('a request that is refused is a span with the reason, and nothing that the client named', async () => {
  await using collector = await openOtlpCollector()
  const tracing = await trace(collector.endpoint)
  await using gateway = await openTestGateway({}, { ports: { tracer: tracing.tracer } })
  await (await gateway.post('/chat/completions', { model: 'a-secret-name' })).text()
  await (await gateway.post('/a-secret-path', {})).text()
  await tracing[Symbol.asyncDispose]()
  expect(inOrder(collector.spans)).toMatchObject([
    { name: '/v1/chat/completions', isError: false, attributes: { 'error.type': 'model_not_found' } },
    { name: 'unknown', isError: false, attributes: { 'error.type': 'unknown_url', 'http.request.method': '_OTHER' } },
  ])
  expect(JSON.stringify(collector.spans)).not.toContain('a-secret')
})

test('while the collector is away, requests go on, and the log says so once', async () => {
  await using collector = await openOtlpCollector()
  collector.answer(400)
  await using upstream = await openUpstream()
  const lines: LogLine[] = []
  const tracing = await trace(collector.endpoint, {}, lines)
  await using gateway = await openTestGateway(
    { deployments: [deployment('llama', [upstream.baseUrl])], routes: [route('chat', ['dep_llama'])] },
    { ports: { tracer: tracing.tracer } },
  )
  const ask = async () => {
    const answer = await gateway.post('/chat/completions', chat)
    await answer.text()
    return answer.status
  }
  for (const exports of [1, 2]) {
    expect(await ask()).toBe(200)
    await until(() => collector.exports.length >= exports)
  }
  await until(() => lines.length > 0)
  collector.answer(200)
  expect(await ask()).toBe(200)
  await until(() => collector.spans.length === 2)
  await until(() => lines.length === 2)
  expect(lines.map(({ message }) => message)).toEqual([
    'traces could not be sent to the collector',
    'traces are collected again',
  ])
  await tracing[Symbol.asyncDispose]()
})

test('a collector that nobody answers for does not hold up the end', async () => {
  const gone = await openOtlpCollector()
  await gone[Symbol.asyncDispose]()
  const tracing = await trace(gone.endpoint)
  await using gateway = await openTestGateway({}, { ports: { tracer: tracing.tracer } })
  await (await gateway.post('/chat/completions', chat)).text()
  await tracing[Symbol.asyncDispose]()
  expect(gateway.records).toHaveLength(1)
})

test('without an endpoint no package of OpenTelemetry is loaded', async () => {
  const script = `
    import { registerHooks } from 'node:module'
    const loaded = []
    registerHooks({ load(url, context, next) { if (url.includes('@opentelemetry')) loaded.push(url); return next(url, context) } })
    await import('./src/server/serve.ts')
    const { openTracing } = await import('./src/server/tracing/tracing.ts')
    console.log(JSON.stringify([(await openTracing(undefined, {})) === undefined, loaded]))`
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script], {
    cwd: new URL('../../..', import.meta.url),
  })
  expect(JSON.parse(stdout)).toEqual([true, []])
})

test('the product sends its traces to OTEL_EXPORTER_OTLP_ENDPOINT', async () => {
  await using collector = await openOtlpCollector()
  await using product = await startProduct({ env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint } })
  const authorization = `Bearer ${product.adminKey}`
  const answer = await fetch(`${product.gatewayUrl}/v1/models`, { headers: { authorization, ...fromClient } })
  await answer.text()
  const span = await until(() => collector.spans[0])
  expect(span).toMatchObject({ traceId, name: '/v1/models', attributes: { 'http.request.method': 'GET' } })
  expect(await product.stop()).toBe(0)
})

test('each operation of the API is a span, with its errors and the id of its request', async () => {
  await using collector = await openOtlpCollector()
  await using product = await startProduct({ env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint } })
  const ask = (query: string, operationName?: string, traceHeaders: Record<string, string> = {}) =>
    fetch(`${product.apiUrl}/graphql`, {
      method: 'POST',
      headers: { authorization: `Bearer ${product.adminKey}`, 'content-type': 'application/json', ...traceHeaders },
      body: JSON.stringify({ query, operationName }),
    })
  const answer = await ask('query Who { viewer { scopes } }', 'Who')
  await answer.text()
  await (await ask('query Wrong { nothing nobody }')).text()
  await (
    await ask('mutation { routeDelete(input: { route: { name: "secret-route" } }) { userErrors { code } } }')
  ).text()
  const spanOf = (attribute: string, value: string) =>
    until(() => collector.spans.find(({ attributes }) => attributes[attribute] === value))

  const who = await spanOf('graphql.operation.name', 'Who')
  expect(who).toMatchObject({ name: 'GraphQL query', kind: 'SERVER', isError: false, parentSpanId: '' })
  expect(who.attributes).toMatchObject({
    'graphql.operation.type': 'query',
    'signalbox.request_id': answer.headers.get('x-request-id'),
    'signalbox.outcome': 'ok',
    'signalbox.error_count': 0,
  })
  expect(who.endMs).toBeGreaterThanOrEqual(who.startMs)
  const wrong = await spanOf('graphql.operation.name', 'Wrong')
  expect(wrong.attributes).toMatchObject({
    'signalbox.outcome': 'refused',
    'signalbox.error_count': 2,
    'error.type': 'GRAPHQL_VALIDATION_FAILED',
  })
  expect((await spanOf('graphql.operation.type', 'mutation')).attributes['signalbox.error_count']).toBe(0)
  expect(JSON.stringify(collector.spans)).not.toContain('secret-route')

  const [traceId, parentSpanId] = ['0af7651916cd43dd8448eb211c80319c', 'b7ad6b7169203331']
  await (
    await ask('query Below { viewer { scopes } }', 'Below', { traceparent: `00-${traceId}-${parentSpanId}-01` })
  ).text()
  expect(await spanOf('graphql.operation.name', 'Below')).toMatchObject({ traceId, parentSpanId })
  await (await ask('query Alone { viewer { scopes } }', 'Alone', { traceparent: '00-wrong-01' })).text()
  expect(await spanOf('graphql.operation.name', 'Alone')).toMatchObject({ parentSpanId: '' })
})

test.for([
  ['a usual one', `00-${traceId}-${clientSpanId}-01`, true],
  ['one that is not sampled', `00-${traceId}-${clientSpanId}-00`, true],
  ['one of a version to come', `01-${traceId}-${clientSpanId}-01-more`, true],
  ['one with more than its version has', `00-${traceId}-${clientSpanId}-01-more`, false],
  ['one of the version that does not exist', `ff-${traceId}-${clientSpanId}-01`, false],
  ['one in capitals', `00-${traceId.toUpperCase()}-${clientSpanId}-01`, false],
  ['one without a span', `00-${traceId}-0000000000000000-01`, false],
] as const)('of traceparent, %s: %s', ([, header, isGood]) => {
  const parsed = parseTraceParent(header)
  expect(parsed !== undefined).toBe(isGood)
  expect(parsed && formatTraceParent(parsed).slice(3)).toBe(isGood ? header.slice(3, 55) : undefined)
})

function inOrder(spans: readonly CollectedSpan[]): readonly CollectedSpan[] {
  return spans.toSorted((a, b) => a.startMs - b.startMs || Number(a.kind === 'CLIENT') - Number(b.kind === 'CLIENT'))
}

function headerOf(upstream: { readonly inferences: readonly { readonly headers: object }[] }, name: string): unknown {
  return new Map<string, unknown>(Object.entries(upstream.inferences[0]!.headers)).get(name)
}

function expectWithin(inner: CollectedSpan, outer: CollectedSpan): void {
  expect(inner.startMs).toBeGreaterThanOrEqual(outer.startMs)
  expect(inner.endMs).toBeLessThanOrEqual(outer.endMs + 1)
}
