import { setTimeout as sleep } from 'node:timers/promises'
import { type Address, Connection, requestBytes } from './connection.ts'

export interface OpenLoopOptions {
  readonly address: Address
  readonly body: string
  readonly perSecond: number
  readonly durationMs: number
}

export interface OpenLoopResult {
  /** From write to last byte, in milliseconds, in the order of the answers. */
  readonly latenciesMs: readonly number[]
  readonly failures: number
}

/** Requests that are sent by the clock, whether or not earlier ones were answered. */
export async function runOpenLoop(options: OpenLoopOptions): Promise<OpenLoopResult> {
  const bytes = requestBytes(options.address, options.body)
  const idle: Connection[] = []
  const all = new Set<Connection>()
  const sentAtMs = new Map<Connection, number>()
  const latenciesMs: number[] = []
  let failures = 0

  const openClient = () => {
    const connection = new Connection(options.address.port, {
      answer: (answered) => {
        latenciesMs.push(performance.now() - sentAtMs.get(answered)!)
        if (answered.status !== 200) failures++
        idle.push(answered)
      },
      broken: (broken) => {
        if (all.delete(broken) && broken.isBusy) failures++
      },
    })
    all.add(connection)
    return connection
  }
  const warm = Array.from({ length: 16 }, openClient)
  await Promise.all(warm.map((connection) => connection.opened()))
  idle.push(...warm)

  const startedAtMs = performance.now()
  const total = Math.floor((options.durationMs / 1000) * options.perSecond)
  for (let sent = 0; sent < total; sent++) {
    const dueAtMs = startedAtMs + (sent * 1000) / options.perSecond
    while (performance.now() < dueAtMs) await sleep(1)
    const connection = takeIdle(idle) ?? openClient()
    sentAtMs.set(connection, performance.now())
    connection.send(bytes)
  }
  await sleep(200)
  const unanswered = [...all].filter((connection) => connection.isBusy).length
  const connections = [...all]
  all.clear()
  for (const connection of connections) connection.close()
  return { latenciesMs, failures: failures + unanswered }
}

function takeIdle(idle: Connection[]): Connection | undefined {
  for (;;) {
    const connection = idle.pop()
    if (!connection?.isBroken) return connection
  }
}
