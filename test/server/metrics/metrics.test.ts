import { readFile } from 'node:fs/promises'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Scraped } from '../../support/prometheus.ts'
import { readScrape } from '../../support/prometheus.ts'
import { emptySnapshot } from '../../../src/routing/config/compile.ts'
import { operations } from '../../../src/routing/vendors/operation.ts'
import type { UsageRecord } from '../../../src/routing/usage/record.ts'
import { fallbackTriggers, requestOutcomes } from '../../../src/routing/config/vocabulary.ts'
import { genAiOperationOf } from '../../../src/server/tracing/gen-ai.ts'
import { createMetricsReader } from '../../../src/server/metrics/metrics-reader.ts'
import { createRequestMetrics } from '../../../src/server/metrics/request-metrics.ts'
import {
  compile,
  deployment,
  openTestGateway,
  provider,
  route,
  testApiKey,
  testKey,
  hashOfKey,
} from '../../gateway/support/open-test-gateway.ts'
import { startProduct } from '../../support/product.ts'
import { until } from '../../support/until.ts'
import { status } from '../../support/replies.ts'
import { openUpstream } from '../../support/upstream.ts'
import { usageRecord } from '../../support/usage-record.ts'

async function scrape(records: readonly UsageRecord[]): Promise<Scraped> {
  const metrics = createRequestMetrics({ snapshot: () => emptySnapshot })
  for (const record of records) metrics.count(record)
  return readScrape((await createMetricsReader(metrics.families)()).text)
}

const aTrigger = fc.constantFrom(...fallbackTriggers)
const anAttempt = fc.record({
  backendLabel: fc.constantFrom('llama', 'cloud/gpt', 'say "hi"\n\\'),
  status: fc.option(fc.integer({ min: 100, max: 999 })),
  trigger: fc.option(aTrigger),
  durationMs: fc.double({ min: 0, max: 200_000, noNaN: true }),
})
const aRecord = fc
  .record({
    routeName: fc.option(fc.constantFrom('chat', 'embed', 'x'.repeat(128))),
    operation: fc.constantFrom(...operations.map(({ path }) => path), 'unknown'),
    stream: fc.boolean(),
    outcome: fc.constantFrom(...requestOutcomes),
    attempts: fc.array(anAttempt, { maxLength: 3 }),
    fallbackTrigger: fc.option(aTrigger, { nil: undefined }),
    tokens: fc.option(
      fc.record({
        inputTokens: fc.nat(),
        cachedInputTokens: fc.nat(),
        cacheWriteTokens: fc.nat(),
        outputTokens: fc.nat(),
        reasoningTokens: fc.nat(),
      }),
    ),
    isEstimated: fc.boolean(),
    cost: fc.option(fc.nat().map((units) => (units / 1_000_000).toFixed(6))),
    firstByteMs: fc.option(fc.double({ min: 0, max: 100_000, noNaN: true })),
    durationMs: fc.double({ min: 0, max: 200_000, noNaN: true }),
  })
  .map(({ attempts, isEstimated, ...rest }) => {
    const made = attempts.map((attempt) => ({ ...usageRecord().attempts[0]!, ...attempt }))
    return usageRecord({
      ...rest,
      attempts: made,
      backendLabel: made.at(-1)?.backendLabel ?? null,
      provenance: rest.tokens === null ? 'NONE' : isEstimated ? 'ESTIMATED' : 'REPORTED',
    })
  })

test('whatever requests end, the counters are the sums of their records', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(aRecord, { maxLength: 40 }), async (records) => {
      const { sum } = await scrape(records)
      const total = (value: (record: UsageRecord) => number) => records.reduce((all, it) => all + value(it), 0)
      for (const outcome of requestOutcomes)
        expect(sum('signalbox_requests_total', { outcome: outcome.toLowerCase() })).toBe(
          total((it) => Number(it.outcome === outcome)),
        )
      expect(sum('signalbox_requests_total', { route: 'chat' })).toBe(total((it) => Number(it.routeName === 'chat')))
      expect(sum('signalbox_attempts_total')).toBe(total((it) => it.attempts.length))
      for (const trigger of fallbackTriggers) {
        const label = { trigger: trigger.toLowerCase() }
        expect(sum('signalbox_fallbacks_total', label)).toBe(total((it) => Number(it.fallbackTrigger === trigger)))
        expect(sum('signalbox_attempts_moved_on_total', label)).toBe(
          total((it) => it.attempts.filter((attempt) => attempt.trigger === trigger).length),
        )
      }
      expect(sum('signalbox_tokens_total', { type: 'input' })).toBe(total((it) => it.tokens?.inputTokens ?? 0))
      expect(sum('signalbox_tokens_total', { type: 'cached_input' })).toBe(
        total((it) => it.tokens?.cachedInputTokens ?? 0),
      )
      expect(sum('signalbox_tokens_total', { type: 'cache_write_input' })).toBe(
        total((it) => it.tokens?.cacheWriteTokens ?? 0),
      )
      expect(sum('signalbox_tokens_total', { type: 'reasoning' })).toBe(total((it) => it.tokens?.reasoningTokens ?? 0))
      expect(sum('signalbox_tokens_total', { type: 'output', provenance: 'estimated' })).toBe(
        total((it) => (it.provenance === 'ESTIMATED' ? it.tokens!.outputTokens : 0)),
      )
      expect(sum('signalbox_cost_usd_total')).toBeCloseTo(
        total((it) => Number(it.cost ?? 0)),
        6,
      )
    }),
    { numRuns: 50 },
  )
})

test('whatever requests end, a histogram has as many values as there were, and buckets that rise', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(aRecord, { maxLength: 40 }), async (records) => {
      const scraped = await scrape(records)
      const routed = records.filter((it) => it.routeName !== null)
      expect(scraped.sum('gen_ai_server_request_duration_seconds_count')).toBe(routed.length)
      expect(scraped.sum('gen_ai_server_request_duration_seconds_bucket', { le: '+Inf' })).toBe(routed.length)
      expect(scraped.sum('gen_ai_server_request_duration_seconds_sum')).toBeCloseTo(
        routed.reduce((all, it) => all + it.durationMs / 1000, 0),
        6,
      )
      expect(scraped.sum('signalbox_overhead_seconds_count')).toBe(records.length)
      expect(scraped.sum('signalbox_time_to_first_byte_seconds_count')).toBe(
        routed.filter((it) => it.firstByteMs !== null).length,
      )
      expect(scraped.sum('gen_ai_client_operation_duration_seconds_count')).toBe(
        routed.flatMap((it) => it.attempts).length,
      )
      expectRisingBuckets(scraped)
    }),
    { numRuns: 50 },
  )
})

function expectRisingBuckets({ samples }: Scraped): void {
  const last = new Map<string, { le: number; value: number }>()
  for (const { name, labels, value } of samples) {
    if (!name.endsWith('_bucket')) continue
    const { le, ...rest } = labels
    const series = JSON.stringify([name, rest])
    const bound = le === '+Inf' ? Infinity : Number(le)
    const before = last.get(series)
    expect({ series, rises: !before || (bound > before.le && value >= before.value) }).toEqual({ series, rises: true })
    last.set(series, { le: bound, value })
  }
}

test('a cost that nobody knows is no cost of 0', async () => {
  const { samples } = await scrape([usageRecord({ cost: null })])
  expect(samples.filter(({ name }) => name === 'signalbox_cost_usd_total')).toEqual([])
})

test('names follow the conventions: base units, _total for counters alone', async () => {
  const { types } = await scrape([usageRecord({ stream: true, fallbackTrigger: 'TIMEOUT' })])
  const own = [...types].filter(([name]) => /^(signalbox|gen_ai)_/.test(name))
  expect(own.length).toBeGreaterThan(10)
  for (const [name, type] of own) {
    expect({ name, isTotal: name.endsWith('_total') }).toEqual({ name, isTotal: type === 'counter' })
    expect(name).not.toMatch(/_(ms|milliseconds|kb|kilobytes)(_|$)/)
  }
})

test('each operation that goes upstream has a name in the GenAI conventions', () => {
  const passedOn = operations.filter(({ upstreamPath }) => upstreamPath !== null)
  expect(passedOn.filter(({ path }) => genAiOperationOf(path) === 'other')).toEqual([])
})

test('all requests of a gateway are counted: by route, backend, outcome, attempt and trigger', async () => {
  await using broken = await openUpstream(() => status(500))
  await using good = await openUpstream({ name: 'good' })
  const configuration = {
    deployments: [deployment('broken', [broken.baseUrl])],
    providers: [provider('cloud', good.baseUrl, { kind: 'MISTRAL' })],
    routes: [route('chat', ['dep_broken'], { fallback: ['pmd_cloud'] })],
  }
  const metrics = createRequestMetrics({ snapshot: () => compile(configuration) })
  await using gateway = await openTestGateway(configuration, { observers: [metrics.count] })
  await gateway.post('/chat/completions', { model: 'chat', messages: [] }).then((answer) => answer.text())
  await gateway.post('/chat/completions', { model: 'nothing' }).then((answer) => answer.text())

  const { sum } = readScrape((await createMetricsReader(metrics.families)()).text)
  const operation = '/v1/chat/completions'
  const served = { route: 'chat', backend: 'cloud/model-of-cloud', operation, outcome: 'ok_by_fallback' }
  expect(sum('signalbox_requests_total', served)).toBe(1)
  expect(sum('signalbox_requests_total', { route: '', backend: '', operation, outcome: 'client_error' })).toBe(1)
  expect(sum('signalbox_attempts_total', { route: 'chat', backend: 'broken', status: '500' })).toBe(1)
  expect(sum('signalbox_attempts_total', { route: 'chat', backend: 'cloud/model-of-cloud', status: '200' })).toBe(1)
  expect(sum('signalbox_attempts_moved_on_total', { backend: 'broken', trigger: 'server_error' })).toBe(1)
  expect(sum('signalbox_fallbacks_total', { route: 'chat', trigger: 'server_error' })).toBe(1)
  expect(
    sum('gen_ai_client_operation_duration_seconds_count', {
      gen_ai_operation_name: 'chat',
      gen_ai_provider_name: 'mistral_ai',
      gen_ai_request_model: 'model-of-cloud',
      signalbox_backend: 'cloud/model-of-cloud',
    }),
  ).toBe(1)
  expect(
    sum('gen_ai_client_operation_duration_seconds_count', { signalbox_backend: 'broken', error_type: 'server_error' }),
  ).toBe(1)
})

test('a fallback that was asked because there was no room says so, though nothing was sent before it', async () => {
  const held = Promise.withResolvers<void>()
  await using slow = await openUpstream(() => async (exchange) => {
    await held.promise
    await status(200)(exchange)
  })
  await using good = await openUpstream({ name: 'good' })
  await using gateway = await openTestGateway({
    deployments: [deployment('own', [slow.baseUrl], { maxInFlight: 1 })],
    providers: [provider('cloud', good.baseUrl)],
    routes: [route('chat', ['dep_own'], { fallback: ['pmd_cloud'] })],
  })
  const first = gateway.post('/chat/completions', { model: 'chat', messages: [] })
  await until(() => slow.inferences.length === 1)
  const second = await gateway.post('/chat/completions', { model: 'chat', messages: [] })
  expect(second.headers.get('x-signalbox-fallback')).toBe('saturated')
  expect(gateway.records).toMatchObject([{ outcome: 'OK_BY_FALLBACK', fallbackTrigger: 'SATURATED' }])
  held.resolve()
  await first.then((answer) => answer.text())
})

test('the gateway shows its metrics only to a key that may read the usage of all', async () => {
  const keys = {
    operator: {
      ...testApiKey,
      id: 'key_operator',
      ownerId: 'usr_operator',
      hash: hashOfKey('k-operator'),
      scopes: ['USAGE_READ' as const],
    },
    member: { ...testApiKey, id: 'key_member', hash: hashOfKey('k-member'), scopes: ['USAGE_READ' as const] },
  }
  await using gateway = await openTestGateway(
    {
      users: [
        { id: 'usr_test', name: 'tester', role: 'MEMBER', state: 'ACTIVE' },
        { id: 'usr_operator', name: 'operator', role: 'OPERATOR', state: 'ACTIVE' },
      ],
      apiKeys: [testApiKey, keys.operator, keys.member],
    },
    { ports: { metrics: createMetricsReader([]) } },
  )
  const ask = (key: string | null, init: RequestInit = {}) =>
    fetch(`${gateway.origin}/metrics`, { ...init, headers: key === null ? {} : { authorization: `Bearer ${key}` } })
  expect((await ask(null)).status).toBe(401)
  expect((await ask('k-nobody')).status).toBe(401)
  expect((await ask(testKey)).status).toBe(403)
  expect((await ask('k-member')).status).toBe(403)
  const answer = await ask('k-operator')
  expect(answer.status).toBe(200)
  expect(answer.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
  expect(readScrape(await answer.text()).types.get('process_resident_memory_bytes')).toBe('gauge')
  expect((await ask('k-operator', { method: 'POST' })).status).toBe(405)
  const several = (headers: Record<string, string>) => fetch(`${gateway.origin}/metrics`, { headers })
  expect((await several({ authorization: 'Bearer none', 'x-api-key': 'k-operator' })).status).toBe(200)
  expect((await several({ 'x-api-key': 'sbx_wrong', 'api-key': 'k-operator' })).status).toBe(200)
  expect((await several({ authorization: 'Bearer none', 'api-key': 'k-member' })).status).toBe(403)
  expect((await several({ authorization: 'Bearer k-member', 'api-key': 'k-operator' })).status).toBe(403)
  expect(gateway.records).toEqual([])
})

test('the product answers scrapes on both listeners, and what it counts equals its usage log', async () => {
  await using upstream = await openUpstream({ name: 'a' })
  await using product = await startProduct()
  await product.graphql.change(
    `mutation ($url: URL!) {
      deploymentCreate(input: { name: "llama", endpoints: [{ url: $url }] }) { userErrors { message code path } }
    }`,
    { url: upstream.baseUrl },
  )
  const authorization = `Bearer ${product.adminKey}`
  for (const path of ['chat/completions', 'embeddings', 'moderations', 'no/such/thing']) {
    const answer = await fetch(`${product.gatewayUrl}/v1/${path}`, {
      method: 'POST',
      headers: { authorization, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'llama', messages: [], input: 'one two three' }),
    })
    await answer.text()
  }
  const logged = await until(async () => {
    const { usage } = await product.graphql.request<{ usage: { totals: Record<string, number> } }>(`{
      usage(range: { from: "2020-01-01T00:00:00Z", to: "2100-01-01T00:00:00Z" }) {
        totals { requests attempts failures inputTokens outputTokens }
      }
    }`)
    return usage.totals['requests'] === 4 && usage.totals
  })

  const answer = await fetch(`${product.apiUrl}/metrics`, { headers: { authorization } })
  expect(answer.status).toBe(200)
  const { sum, types } = readScrape(await answer.text())
  expect({
    requests: sum('signalbox_requests_total'),
    attempts: sum('signalbox_attempts_total'),
    failures: sum('signalbox_requests_total') - sum('signalbox_requests_total', { outcome: 'ok' }),
    inputTokens: sum('signalbox_tokens_total', { type: 'input' }),
    outputTokens: sum('signalbox_tokens_total', { type: 'output' }),
  }).toEqual(logged)
  expect(sum('signalbox_gateways')).toBe(1)
  expect(sum('signalbox_config_applied_version')).toBe(sum('signalbox_config_version'))
  expect(sum('signalbox_database_connections')).toBeGreaterThan(0)
  expect(sum('signalbox_circuit_state', { backend: 'llama' })).toBe(0)
  expect(types.get('signalbox_spool_lost_records_total')).toBe('counter')

  // Where a request comes from cannot be known behind a proxy: it needs a key also from here.
  expect((await fetch(`${product.apiUrl}/metrics`)).status).toBe(401)
  const behindADummy = { authorization: 'Bearer EMPTY', 'api-key': authorization.replace('Bearer ', '') }
  expect((await fetch(`${product.apiUrl}/metrics`, { headers: behindADummy })).status).toBe(200)
  expect((await fetch(`${product.gatewayUrl}/metrics`)).status).toBe(401)
  const ofGateway = await fetch(`${product.gatewayUrl}/metrics`, { headers: { authorization } })
  const page = readScrape(await ofGateway.text())
  expect(page.sum('signalbox_requests_total')).toBe(4)

  const documented = await documentedMetrics()
  expect(ownTypes(types)).toEqual(Object.fromEntries(documented.map(({ name, type }) => [name, type])))
  expect(ownTypes(page.types)).toEqual(
    Object.fromEntries(documented.filter(({ where }) => where !== 'API').map(({ name, type }) => [name, type])),
  )
})

async function documentedMetrics() {
  const text = await readFile(new URL('../../../docs/metrics.md', import.meta.url), 'utf8')
  const rows = text.matchAll(/^\| `(\w+)` \| (counter|gauge|histogram) \|.*?(?:\| (both|API) )?\|$/gm)
  return Array.from(rows, ([, name, type, where]) => ({ name: name!, type: type!, where }))
}

function ownTypes(types: ReadonlyMap<string, string>): Record<string, string> {
  return Object.fromEntries([...types].filter(([name]) => /^(signalbox|gen_ai)_/.test(name)))
}
