/** CPU per streamed event: one at a time, and many in one read. */
import { setTimeout as sleep } from 'node:timers/promises'
import { compare } from '../compare.ts'
import type { Contender } from '../contenders/contender.ts'
import { cpuMicros } from '../cpu.ts'
import { openClosedLoop } from '../load/closed-loop.ts'
import { requestBytes } from '../load/connection.ts'
import { warmUp, warmUpMs } from '../load/warm-up.ts'
import type { Row } from '../row.ts'
import { eventsPerStream, pacedEveryMs } from '../upstream/behaviour.ts'
import { chatBody } from './requests.ts'
import type { Bench, Section } from './section.ts'

type Shape = 'paced' | 'burst'

const about: Readonly<Record<Shape, string>> = {
  paced: `streams, an event each ${pacedEveryMs} ms`,
  burst: `streams, ${eventsPerStream.burst} events at once`,
}
const connections: Readonly<Record<Shape, number>> = { paced: 100, burst: 16 }
const goals: Readonly<Record<Shape, number>> = { paced: 2.2, burst: 2.7 }

export const streamSections: readonly Section[] = (['paced', 'burst'] as const).map((shape) => ({
  name: shape,
  about: `${about[shape]}: CPU per event`,
  run: (bench) => run(bench, shape),
}))

async function run(bench: Bench, shape: Shape): Promise<Row[]> {
  const contenders = (await bench.contenders()).filter(({ name }) => name !== 'direct')
  for (const { address } of contenders)
    await warmUp(address(shape), chatBody(shape, 900, { stream: true }), connections[shape], warmUpMs(bench))
  const comparison = await compare(contenders, bench.isQuick ? 2 : 5, (contender) =>
    measure(contender, shape, bench.isQuick ? 1_500 : 4_000),
  )
  return [
    {
      what: `${about[shape]}: CPU`,
      unit: 'µs/event',
      values: comparison.values('cpuMicrosEach'),
      result: comparison.ratio('cpuMicrosEach', 'signalbox', 'nginx'),
      resultUnit: '× nginx',
      goal: { atMost: goals[shape] },
      ...(comparison.failureNote !== undefined && { note: comparison.failureNote }),
    },
  ]
}

// The body does not ask for usage: the gateway has to, and to keep the extra event for itself.
async function measure(contender: Contender, shape: Shape, windowMs: number) {
  const address = contender.address(shape)
  let incomplete = 0
  const load = await openClosedLoop({
    port: address.port,
    requests: [requestBytes(address, chatBody(shape, 900, { stream: true }))],
    connections: connections[shape],
    onAnswer: ({ isDone }) => {
      if (!isDone) incomplete++
    },
  })
  try {
    await sleep(windowMs / 3)
    const pids = contender.pids()
    const before = { answers: load.answers(), cpu: cpuMicros(pids) }
    await sleep(windowMs)
    const events = (load.answers() - before.answers) * eventsPerStream[shape]
    const cpuMicrosEach = (cpuMicros(pids) - before.cpu) / events
    return { figures: { cpuMicrosEach }, failures: load.failures() + incomplete }
  } finally {
    load.stop()
  }
}
