/** How far the served split ever is from the configured one: in requests, at any moment. */
import { startProduct } from '../../test/support/product.ts'
import { createDeployment, createKey, createRoute, gatewayAddress } from '../configure.ts'
import { serverCore } from '../cpu.ts'
import { openClosedLoop } from '../load/closed-loop.ts'
import { requestBytes } from '../load/connection.ts'
import { backendOf } from '../load/marker.ts'
import type { Row } from '../row.ts'
import { chatBody } from './requests.ts'
import type { Bench, Section } from './section.ts'

const splits: readonly Readonly<Record<string, number>>[] = [
  { one: 100, two: 200 },
  { one: 199, two: 1 },
  { one: 5, two: 3, three: 1 },
]

export const splitSection: Section = {
  name: 'split',
  about: 'exactness of the split: the greatest distance of any target from its share, at any moment',
  run: async (bench: Bench): Promise<Row[]> => {
    await using product = await startProduct({ wrapper: serverCore })
    for (const name of ['one', 'two', 'three'])
      await createDeployment(product.graphql, name, bench.upstreams.ports.small)
    const address = gatewayAddress(product, await createKey(product.graphql))
    const requests = bench.isQuick ? 1_000 : 10_000

    const rows: Row[] = []
    for (const [index, weights] of splits.entries()) {
      const name = `split-${index}`
      await createRoute(product.graphql, name, weights)
      const ledger = openLedger(weights)
      const done = Promise.withResolvers<void>()
      // One client: with more, the order of the answers is not the order of the choices.
      const load = await openClosedLoop({
        port: address.port,
        requests: [requestBytes(address, chatBody(name, 100))],
        connections: 1,
        onAnswer: ({ head }) => {
          if (ledger.add(backendOf(head)) >= requests) done.resolve()
        },
      })
      await done.promise
      load.stop()
      const weightsText = Object.values(weights).join(':')
      rows.push({
        what: `${weightsText}, ${requests} requests: greatest distance`,
        unit: 'requests',
        values: { signalbox: ledger.worst() },
        result: ledger.worst(),
        goal: { atMost: 1 },
        ...(load.failures() > 0 && { note: `${load.failures()} FAILED` }),
      })
    }
    return rows
  },
}

function openLedger(weights: Readonly<Record<string, number>>) {
  const sum = Object.values(weights).reduce((total, weight) => total + weight, 0)
  const counts = new Map(Object.keys(weights).map((name) => [name, 0]))
  let total = 0
  let worst = 0
  return {
    add: (backend: string): number => {
      total++
      counts.set(backend, (counts.get(backend) ?? 0) + 1)
      for (const [name, count] of counts)
        worst = Math.max(worst, Math.abs(count - (total * (weights[name] ?? 0)) / sum))
      return total
    },
    worst: () => worst,
  }
}
