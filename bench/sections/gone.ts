/** How soon an upstream is closed after its client went away: before the headers, and in the middle of a stream. */
import { chatEvents, defaultUsage } from '../../test/support/model-answers.ts'
import { startProduct } from '../../test/support/product.ts'
import { hang, stream } from '../../test/support/replies.ts'
import { until } from '../../test/support/until.ts'
import { openUpstream } from '../../test/support/upstream.ts'
import { createDeployment, createKey, createRoute, gatewayAddress } from '../configure.ts'
import { serverCore } from '../cpu.ts'
import { type Address, Connection, requestBytes } from '../load/connection.ts'
import type { Row } from '../row.ts'
import { quantile } from '../statistics.ts'
import { chatBody } from './requests.ts'
import type { Bench, Section } from './section.ts'

const moments = { 'before the headers': false, 'in a stream': true } as const

export const goneSection: Section = {
  name: 'gone',
  about: 'from the end of the client to the end of the upstream',
  run: async (bench: Bench): Promise<Row[]> => {
    const never = new Promise<void>(() => {})
    const question = { model: 'bench', text: 'one two', usage: defaultUsage, body: {}, options: {} }
    await using upstream = await openUpstream((request) =>
      request.json()['stream'] === true
        ? stream(chatEvents(question), { beforeEvent: (index) => (index === 2 ? never : undefined) })
        : hang(),
    )
    await using product = await startProduct({ wrapper: serverCore })
    await createDeployment(product.graphql, 'endless', upstream.port)
    await createRoute(product.graphql, 'endless', { endless: 1 })
    const address = gatewayAddress(product, await createKey(product.graphql))

    const rows: Row[] = []
    for (const [moment, isStream] of Object.entries(moments)) {
      const delaysMs: number[] = []
      for (let i = 0; i < (bench.isQuick ? 20 : 100); i++) {
        upstream.forgetRequests()
        const leftAtMs = await askAndLeave(address, isStream, () => upstream.inferences.length === 1)
        const request = upstream.inferences[0]!
        await request.closed
        delaysMs.push(request.closedAtMs! - leftAtMs)
      }
      const slowest = Math.max(...delaysMs)
      rows.push(
        { what: `client gone ${moment}: p50`, unit: 'ms', values: { signalbox: quantile(delaysMs, 0.5) } },
        {
          what: `client gone ${moment}: slowest`,
          unit: 'ms',
          values: { signalbox: slowest },
          result: slowest,
          resultUnit: 'ms',
          goal: { atMost: 200 },
        },
      )
    }
    return rows
  },
}

async function askAndLeave(address: Address, isStream: boolean, hasArrived: () => boolean): Promise<number> {
  let hasContent = false
  const connection = new Connection(address.port, {
    answer: () => {},
    broken: () => {},
    data: (chunk) => (hasContent ||= chunk.includes('data: ')),
  })
  await connection.opened()
  connection.send(requestBytes(address, chatBody('endless', 100, isStream ? { stream: true } : {})))
  await until(() => hasArrived() && (hasContent || !isStream), { everyMs: 1 })
  connection.close()
  return performance.now()
}
