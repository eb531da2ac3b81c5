/** What a large configuration costs: per request, at the start, and to compile. */
import { setTimeout as sleep } from 'node:timers/promises'
import { startProduct } from '../../test/support/product.ts'
import { gatewayAddress } from '../configure.ts'
import { cpuMicros, processTree, serverCore } from '../cpu.ts'
import { openBenchDatabase } from '../database.ts'
import { openClosedLoop } from '../load/closed-loop.ts'
import { requestBytes } from '../load/connection.ts'
import { warmUpMs } from '../load/warm-up.ts'
import type { Row } from '../row.ts'
import { routeName, seedConfiguration } from '../seed.ts'
import { median } from '../statistics.ts'
import { chatBody } from './requests.ts'
import type { Bench, Section } from './section.ts'

const windowMs = 3_000

interface Sized extends AsyncDisposable {
  readonly measure: (forMs: number) => Promise<{ cpuMicrosEach: number; failures: number }>
}

export const scaleSection: Section = {
  name: 'scale',
  about: 'CPU per request with 10,000 routes and keys in turn, against 10',
  run: async (bench: Bench): Promise<Row[]> => {
    await using few = await openSized(bench, 10)
    await using many = await openSized(bench, 10_000)
    await few.measure(warmUpMs(bench))
    await many.measure(warmUpMs(bench))
    const ratios: number[] = []
    const results = { few: [] as number[], many: [] as number[] }
    let failures = 0
    for (let round = 0; round < (bench.isQuick ? 3 : 7); round++) {
      const [small, large] = [await few.measure(windowMs), await many.measure(windowMs)]
      failures += small.failures + large.failures
      results.few.push(small.cpuMicrosEach)
      results.many.push(large.cpuMicrosEach)
      ratios.push(large.cpuMicrosEach / small.cpuMicrosEach)
    }
    const ratio = median(ratios)
    return [
      { what: '10 routes, 10 keys: CPU', unit: 'µs/request', values: { signalbox: median(results.few) } },
      {
        what: '10,000 routes, 10,000 keys: CPU',
        unit: 'µs/request',
        values: { signalbox: median(results.many) },
        result: ratio,
        resultUnit: '× 10 routes',
        goal: { atMost: 1.05 },
        ...(failures > 0 && { note: `${failures} FAILED` }),
      },
    ]
  },
}

async function openSized(bench: Bench, count: number): Promise<Sized> {
  await using resources = new AsyncDisposableStack()
  const database = resources.use(await openBenchDatabase())
  const upstreamPort = bench.upstreams.ports.small
  const deployments = Math.min(count, 1_000)
  const keys = await seedConfiguration(database.url, { routes: count, deployments, apiKeys: count, upstreamPort })
  const product = resources.use(await startProduct({ wrapper: serverCore, env: database.env }))
  const requests = shuffled(keys).map((key, i) =>
    requestBytes(gatewayAddress(product, key), chatBody(routeName(i), 900)),
  )
  const { port } = gatewayAddress(product, '')
  const pids = () => processTree(product.pid, (commandLine) => commandLine.includes('main.ts'))
  const owned = resources.move()

  return {
    measure: async (forMs) => {
      const load = await openClosedLoop({ port, requests: shuffled(requests), connections: 64 })
      await sleep(500)
      const before = { answers: load.answers(), cpu: cpuMicros(pids()) }
      await sleep(forMs)
      const answers = load.answers() - before.answers
      const cpuMicrosEach = (cpuMicros(pids()) - before.cpu) / answers
      load.stop()
      return { cpuMicrosEach, failures: load.failures() }
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

// Neighbours in the tables must not be neighbours in the load: their memory would be warm.
function shuffled<T>(values: readonly T[]): T[] {
  return values
    .map((value) => ({ value, order: Math.random() }))
    .toSorted((a, b) => a.order - b.order)
    .map(({ value }) => value)
}
