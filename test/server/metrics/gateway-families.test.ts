import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openSpool, type Spool } from '../../../src/gateway/spool/spool.ts'
import type { Configuration } from '../../../src/routing/config/configuration.ts'
import { gatewayFamilies } from '../../../src/server/metrics/gateway-families.ts'
import { createMetricsReader } from '../../../src/server/metrics/metrics-reader.ts'
import {
  compile,
  deployment,
  openTestGateway,
  provider,
  route,
  type TestGateway,
} from '../../gateway/support/open-test-gateway.ts'
import { readScrape, type Scraped } from '../../support/prometheus.ts'
import { createJsonEncoder } from '../../support/spooled-usage.ts'
import { after, status } from '../../support/replies.ts'
import { until } from '../../support/until.ts'
import { openUpstream } from '../../support/upstream.ts'
import { usageRecord } from '../../support/usage-record.ts'

const silent = { debug: ignore, info: ignore, warn: ignore, error: ignore }
let folder: string
let spool: Spool
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sbx-metrics-'))
  spool = openSpool({ root: folder, encoder: createJsonEncoder(), log: silent })
})
afterEach(async () => {
  spool[Symbol.dispose]()
  await rm(folder, { recursive: true })
})

async function scrape({ gateway }: TestGateway, configuration: Partial<Configuration>): Promise<Scraped> {
  const snapshot = compile(configuration)
  const read = createMetricsReader(gatewayFamilies({ gateway, snapshot: () => snapshot, spool }))
  return readScrape((await read()).text)
}

const chat = { model: 'chat', messages: [] }

test('requests are seen while they are in flight, and while they wait', async () => {
  const held = Promise.withResolvers<void>()
  await using slow = await openUpstream(() => after(held.promise, status(200, {})))
  const configuration = {
    deployments: [
      deployment('llama', [slow.baseUrl], { maxInFlight: 1, queue: { maxWaiting: 5, maxWaitMs: 20_000 } }),
      deployment('idle', ['http://127.0.0.1:9/v1']),
    ],
    routes: [route('chat', ['dep_llama'])],
  }
  await using gateway = await openTestGateway(configuration)
  const answers = [gateway.post('/chat/completions', chat), gateway.post('/chat/completions', chat)]
  await until(() => slow.inferences.length === 1 && gateway.gateway.live.waiting('dep_llama') === 1)

  const during = await scrape(gateway, configuration)
  const place = { backend: 'llama', endpoint: 'end_llama_0', server_address: `127.0.0.1:${slow.port}` }
  expect(during.sum('signalbox_requests_in_flight')).toBe(2)
  expect(during.sum('signalbox_attempts_in_flight', place)).toBe(1)
  expect(during.sum('signalbox_requests_waiting', { backend: 'llama' })).toBe(1)
  expect(during.samples.filter(({ labels }) => labels['backend'] === 'idle')).toEqual([])

  held.resolve()
  for (const answer of answers) await (await answer).text()
  await until(() => gateway.gateway.inFlight === 0)
  const afterwards = await scrape(gateway, configuration)
  expect(afterwards.sum('signalbox_requests_in_flight')).toBe(0)
  expect(afterwards.sum('signalbox_requests_waiting')).toBe(0)
})

test('an open circuit is seen, and a credential that was benched, without its secret', async () => {
  await using broken = await openUpstream(() => status(500))
  await using closed = await openUpstream(() => status(401))
  const configuration = {
    deployments: [deployment('llama', [broken.baseUrl])],
    providers: [provider('cloud', closed.baseUrl)],
    routes: [route('chat', ['dep_llama'], { maxAttempts: 1 }), route('paid', ['pmd_cloud'])],
  }
  await using gateway = await openTestGateway(configuration)
  for (let i = 0; i < 5; i++) await (await gateway.post('/chat/completions', chat)).text()
  await (await gateway.post('/chat/completions', { ...chat, model: 'paid' })).text()

  const scraped = await scrape(gateway, configuration)
  expect(scraped.sum('signalbox_circuit_state', { backend: 'llama' })).toBe(2)
  expect(scraped.sum('signalbox_credentials_benched', { provider: 'cloud' })).toBe(1)
  expect(JSON.stringify(scraped.samples)).not.toContain('secret-of-cloud')
})

test('the spool shows what waits to be shipped', async () => {
  await using gateway = await openTestGateway({})
  const written = Promise.withResolvers<void>()
  spool.append(usageRecord(), null, written.resolve)
  await written.promise
  const waiting = await scrape(gateway, {})
  expect(waiting.sum('signalbox_spool_pending_records')).toBe(1)
  expect(waiting.sum('signalbox_spool_bytes')).toBeGreaterThan(0)
  expect(waiting.sum('signalbox_spool_lost_records_total')).toBe(0)
  expect(waiting.sum('signalbox_config_version')).toBe(1)

  spool.take(10)!.commit()
  expect((await scrape(gateway, {})).sum('signalbox_spool_pending_records')).toBe(0)
})

function ignore(): void {}
