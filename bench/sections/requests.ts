/** Requests per second and CPU per request: small, with a long prompt, with a long answer. */
import { setTimeout as sleep } from 'node:timers/promises'
import { compare } from '../compare.ts'
import type { Contender } from '../contenders/contender.ts'
import { cpuMicros } from '../cpu.ts'
import { openClosedLoop } from '../load/closed-loop.ts'
import { requestBytes } from '../load/connection.ts'
import { warmUp, warmUpMs } from '../load/warm-up.ts'
import type { Goal, Row } from '../row.ts'
import type { Behaviour } from '../upstream/behaviour.ts'
import type { Bench, Section } from './section.ts'

interface Shape {
  readonly name: string
  readonly about: string
  readonly behaviour: Behaviour
  readonly body: string
  readonly connections: number
  readonly cpuGoal?: Goal
  readonly throughputGoal?: Goal
}

/** A chat completion with a prompt of so many bytes, its lines broken as people break them. */
export function chatBody(model: string, promptBytes: number, extra: object = {}): string {
  const line = 'A route is what clients send as model: a name that spreads requests over targets.\n'
  const content = line.repeat(Math.ceil(promptBytes / line.length)).slice(0, promptBytes)
  return JSON.stringify({ model, messages: [{ role: 'user', content }], temperature: 0.7, ...extra })
}

const shapes: readonly Shape[] = [
  {
    name: 'small',
    about: '1 KB request, 1 KB answer',
    behaviour: 'small',
    body: chatBody('small', 900),
    connections: 64,
    cpuGoal: { atMost: 3 },
    throughputGoal: { atLeast: 13 },
  },
  {
    name: 'prompt',
    about: '200 KB prompt, 1 KB answer',
    behaviour: 'small',
    body: chatBody('small', 200_000),
    connections: 16,
    throughputGoal: { atLeast: 10 },
  },
  {
    name: 'answer',
    about: '1 KB request, 150 KB answer',
    behaviour: 'answer',
    body: chatBody('answer', 900),
    connections: 16,
  },
]

export const requestSections: readonly Section[] = shapes.map((shape) => ({
  name: shape.name,
  about: `${shape.about}: requests per second and CPU per request`,
  run: (bench) => run(bench, shape),
}))

async function run(bench: Bench, shape: Shape): Promise<Row[]> {
  const windowMs = bench.isQuick ? 1_000 : 2_500
  const contenders = await bench.contenders()
  for (const { address } of contenders)
    await warmUp(address(shape.behaviour), shape.body, shape.connections, warmUpMs(bench))
  const comparison = await compare(contenders, bench.isQuick ? 2 : 5, (contender) =>
    measure(contender, shape, windowMs),
  )
  const note = comparison.failureNote === undefined ? {} : { note: comparison.failureNote }
  return [
    {
      what: `${shape.about}: throughput`,
      unit: 'requests/s',
      values: comparison.values('perSecond'),
      result: comparison.ratio('perSecond', 'signalbox', 'portkey'),
      resultUnit: '× portkey',
      ...(shape.throughputGoal && { goal: shape.throughputGoal }),
      ...note,
    },
    {
      what: `${shape.about}: CPU`,
      unit: 'µs/request',
      values: comparison.values('cpuMicrosEach'),
      result: comparison.ratio('cpuMicrosEach', 'signalbox', 'nginx'),
      resultUnit: '× nginx',
      ...(shape.cpuGoal && { goal: shape.cpuGoal }),
    },
  ]
}

async function measure(contender: Contender, shape: Shape, windowMs: number) {
  const address = contender.address(shape.behaviour)
  const load = await openClosedLoop({
    port: address.port,
    requests: [requestBytes(address, shape.body)],
    connections: shape.connections,
  })
  try {
    await sleep(windowMs / 4)
    const pids = contender.pids()
    const before = { answers: load.answers(), cpu: cpuMicros(pids), atMs: performance.now() }
    await sleep(windowMs)
    const answers = load.answers() - before.answers
    const perSecond = (answers * 1000) / (performance.now() - before.atMs)
    const cpuMicrosEach = (cpuMicros(pids) - before.cpu) / answers
    return { figures: { perSecond, cpuMicrosEach }, failures: load.failures() }
  } finally {
    load.stop()
  }
}
