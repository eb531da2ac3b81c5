/** Resident memory of open streams, in fresh processes: memory that was once used is seldom given back. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Contender, ContenderName } from '../contenders/contender.ts'
import { residentBytes } from '../cpu.ts'
import { openHeldStreams } from '../load/held-streams.ts'
import { warmUp } from '../load/warm-up.ts'
import type { Row } from '../row.ts'
import { chatBody } from './requests.ts'
import type { Bench, Section } from './section.ts'

interface Result {
  readonly kilobytesEach: number
  readonly incomplete: number
}

export const memorySection: Section = {
  name: 'memory',
  about: 'resident memory per open stream, and whether all of them complete',
  run: async (bench: Bench): Promise<Row[]> => {
    const rows: Row[] = []
    for (const count of bench.isQuick ? [1_000] : [1_000, 5_000]) rows.push(...(await run(bench, count)))
    return rows
  },
}

async function run(bench: Bench, count: number): Promise<Row[]> {
  const results = new Map<ContenderName, Result>()
  await bench.eachFresh(async (contender) => {
    if (contender.name !== 'direct') results.set(contender.name, await measure(bench, contender, count))
  })
  const figures = (name: keyof Result) =>
    Object.fromEntries([...results].map(([contender, result]) => [contender, result[name]]))
  const ours = results.get('signalbox')
  return [
    {
      what: `${count} open streams: memory`,
      unit: 'KB RSS each',
      values: figures('kilobytesEach'),
      result: ours?.kilobytesEach,
      resultUnit: 'KB',
      ...(count === 5_000 && { goal: { atMost: 80 } }),
    },
    {
      what: `${count} open streams: not complete`,
      unit: 'streams',
      values: figures('incomplete'),
      result: ours?.incomplete,
      goal: { atMost: 0 },
    },
  ]
}

async function measure(bench: Bench, contender: Contender, count: number): Promise<Result> {
  await warmUp(contender.address('small'), chatBody('small', 900), 8, 1_000)
  const pids = contender.pids()
  const before = residentBytes(pids)
  const streams = await openHeldStreams(contender.address('held'), chatBody('held', 900, { stream: true }), count)
  await sleep(5_000)
  const kilobytesEach = (residentBytes(pids) - before) / 1024 / count
  bench.upstreams.release()
  const deadline = performance.now() + 20_000
  while (streams.complete() + streams.failures() < count && performance.now() < deadline) await sleep(50)
  const incomplete = count - streams.complete()
  streams.close()
  return { kilobytesEach, incomplete }
}
