/** Traffic switches under load: nothing may fail, and after the answer nothing new may go by the old weights. */
import { startProduct } from '../../test/support/product.ts'
import { until } from '../../test/support/until.ts'
import { createDeployment, createKey, createRoute, gatewayAddress, setTraffic } from '../configure.ts'
import { serverCore } from '../cpu.ts'
import { openClosedLoop } from '../load/closed-loop.ts'
import { requestBytes } from '../load/connection.ts'
import { backendOf } from '../load/marker.ts'
import type { Row } from '../row.ts'
import { quantile } from '../statistics.ts'
import { chatBody } from './requests.ts'
import type { Bench, Section } from './section.ts'

const clients = 32

export const switchSection: Section = {
  name: 'switch',
  about: `traffic switches under ${clients} busy clients: failed, stale, and how long the mutation takes`,
  run: async (bench: Bench): Promise<Row[]> => {
    await using product = await startProduct({ wrapper: serverCore })
    const { graphql } = product
    await createDeployment(graphql, 'blue', bench.upstreams.ports.small)
    await createDeployment(graphql, 'green', bench.upstreams.ports['small-b'])
    await createRoute(graphql, 'switched', { blue: 1, green: 0 })
    const address = gatewayAddress(product, await createKey(graphql))

    // What a request that starts now must be served by; undefined while a switch is on its way.
    let expected: string | undefined
    /** Grows with each beginning and end of a switch: a request is judged if none came between its start and its answer. */
    let epoch = 0
    const startedIn: number[] = []
    let judged = 0
    let stale = 0
    const load = await openClosedLoop({
      port: address.port,
      requests: [requestBytes(address, chatBody('switched', 900))],
      connections: clients,
      onSend: (client) => void (startedIn[client] = epoch),
      onAnswer: ({ head, status }, client) => {
        if (status !== 200 || expected === undefined || startedIn[client] !== epoch) return
        judged++
        if (backendOf(head) !== expected) stale++
      },
    })
    const switches = bench.isQuick ? 100 : 1_000
    const latenciesMs: number[] = []
    for (let i = 0; i < switches; i++) {
      const next = i % 2 === 0 ? 'green' : 'blue'
      expected = undefined
      epoch++
      const startedAtMs = performance.now()
      await setTraffic(graphql, 'switched', { blue: next === 'blue' ? 1 : 0, green: next === 'green' ? 1 : 0 })
      latenciesMs.push(performance.now() - startedAtMs)
      expected = next
      epoch++
      // About one request of each client.
      const enough = judged + clients
      await until(() => judged >= enough, { everyMs: 1 })
    }
    load.stop()

    const what = `${switches} switches, ${load.answers()} requests, ${judged} of them between two switches`
    const row = (name: string, unit: string, value: number): Row => ({
      what: `${what}: ${name}`,
      unit,
      values: { signalbox: value },
    })
    return [
      { ...row('failed', 'requests', load.failures()), result: load.failures(), goal: { atMost: 0 } },
      { ...row('stale after the answer', 'requests', stale), result: stale, goal: { atMost: 0 } },
      row('mutation p50, applied, under this load', 'ms', quantile(latenciesMs, 0.5)),
      row('mutation p99, applied, under this load', 'ms', quantile(latenciesMs, 0.99)),
    ]
  },
}
