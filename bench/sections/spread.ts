/** From the commit of a switch to the first request that is served by it, at four gateways of one database. */
import { startProduct, type Product } from '../../test/support/product.ts'
import { until } from '../../test/support/until.ts'
import { createDeployment, createKey, createRoute, gatewayAddress, setTraffic } from '../configure.ts'
import { openBenchDatabase } from '../database.ts'
import { openClosedLoop } from '../load/closed-loop.ts'
import { requestBytes } from '../load/connection.ts'
import { backendOf } from '../load/marker.ts'
import type { Row } from '../row.ts'
import { seedConfiguration } from '../seed.ts'
import { quantile } from '../statistics.ts'
import { chatBody } from './requests.ts'
import type { Bench, Section } from './section.ts'

const gatewayCount = 4

export const spreadSection: Section = {
  name: 'spread',
  about: `from commit to served, at ${gatewayCount} gateways, with 10 and with 10,000 routes and keys`,
  run: async (bench: Bench): Promise<Row[]> => [...(await run(bench, 10)), ...(await run(bench, 10_000))],
}

async function run(bench: Bench, count: number): Promise<Row[]> {
  await using resources = new AsyncDisposableStack()
  const database = resources.use(await openBenchDatabase())
  const { ports } = bench.upstreams
  const deployments = Math.min(count, 1_000)
  await seedConfiguration(database.url, { routes: count, deployments, apiKeys: count, upstreamPort: ports.small })
  const products: Product[] = []
  for (let i = 0; i < gatewayCount; i++) products.push(resources.use(await startProduct({ env: database.env })))
  const [{ graphql }] = products as [Product, ...Product[]]
  await createDeployment(graphql, 'blue', ports.small)
  await createDeployment(graphql, 'green', ports['small-b'])
  await createRoute(graphql, 'spread', { blue: 1, green: 0 })
  const key = await createKey(graphql)

  // When each gateway's last request with another backend than the one before was answered.
  const changedAtMs = products.map(() => 0)
  const serving = products.map(() => '')
  for (const [index, product] of products.entries()) {
    const address = gatewayAddress(product, key)
    const load = await openClosedLoop({
      port: address.port,
      requests: [requestBytes(address, chatBody('spread', 100))],
      connections: 1,
      pauseMs: 1,
      onAnswer: ({ head, status }) => {
        const backend = status === 200 ? backendOf(head) : serving[index]!
        if (backend !== serving[index]) changedAtMs[index] = performance.now()
        serving[index] = backend
      },
    })
    resources.defer(() => load.stop())
  }
  const isServedBy = (backend: string) => serving.every((name) => name === backend)
  await until(() => isServedBy('blue'))

  const delaysMs: number[] = []
  for (let i = 0; i < (bench.isQuick ? 20 : 200); i++) {
    const next = i % 2 === 0 ? 'green' : 'blue'
    await setTraffic(graphql, 'spread', { blue: next === 'blue' ? 1 : 0, green: next === 'green' ? 1 : 0 }, 'COMMITTED')
    const answeredAtMs = performance.now()
    await until(() => isServedBy(next), { everyMs: 1 })
    delaysMs.push(...changedAtMs.map((atMs) => Math.max(0, atMs - answeredAtMs)))
  }
  const row = (name: string, q: number, atMost: number): Row => ({
    what: `${count} routes and keys: from the answer to served, ${name}`,
    unit: 'ms',
    values: { signalbox: quantile(delaysMs, q) },
    result: quantile(delaysMs, q),
    resultUnit: 'ms',
    goal: { atMost },
  })
  return [row('p50', 0.5, 10), row('p99', 0.99, 50)]
}
