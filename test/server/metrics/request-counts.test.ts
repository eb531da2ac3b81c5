import { expect, test } from 'vitest'
import { configuredNames } from '../../../src/server/metrics/configured-names.ts'
import { createMetricsReader } from '../../../src/server/metrics/metrics-reader.ts'
import { RequestCounts } from '../../../src/server/metrics/request-counts.ts'
import { compile, deployment, route } from '../../gateway/support/open-test-gateway.ts'
import { readScrape } from '../../support/prometheus.ts'
import { usageRecord } from '../../support/usage-record.ts'

test('what is gone from the configuration for two sweeps is forgotten; what is configured, or matched nothing, stays', async () => {
  const counts = new RequestCounts()
  counts.count(usageRecord({ routeName: 'chat' }))
  counts.count(usageRecord({ routeName: 'deleted' }))
  counts.count(usageRecord({ routeName: null, backendLabel: null, attempts: [], outcome: 'CLIENT_ERROR' }))
  const names = configuredNames(
    compile({ deployments: [deployment('llama', ['http://127.0.0.1:9/v1'])], routes: [route('chat', ['dep_llama'])] }),
  )
  const routes = async () => {
    const { samples } = readScrape((await createMetricsReader(counts.families())()).text)
    const requests = samples.filter(({ name }) => name === 'signalbox_requests_total')
    return requests.map(({ labels }) => labels['route'])
  }
  counts.sweep(names)
  expect(await routes()).toEqual(['chat', 'deleted', ''])
  counts.sweep(names)
  expect(await routes()).toEqual(['chat', ''])
})
