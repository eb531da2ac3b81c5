import { setTimeout as sleep } from 'node:timers/promises'
import { type Address, Connection, requestBytes } from './connection.ts'

export interface HeldStreams {
  /** Streams whose first bytes of the body arrived. */
  readonly begun: () => number
  /** Streams that ended as a stream should, with `[DONE]`. */
  readonly complete: () => number
  readonly failures: () => number
  readonly close: () => void
}

/** Opens `count` streams and keeps them open, 100 at a time. */
export async function openHeldStreams(address: Address, body: string, count: number): Promise<HeldStreams> {
  const bytes = requestBytes(address, body)
  const connections: Connection[] = []
  let begun = 0
  let complete = 0
  let failures = 0
  let isClosed = false

  for (let opened = 0; opened < count; opened += 100) {
    const group = Array.from({ length: Math.min(100, count - opened) }, () => {
      let hasBegun = false
      return new Connection(address.port, {
        answer: (connection) => {
          if (connection.status === 200 && connection.isDone) complete++
          else failures++
        },
        broken: (connection) => {
          if (!isClosed && connection.isBusy) failures++
        },
        data: (chunk) => {
          if (hasBegun || !chunk.includes('data: ')) return
          hasBegun = true
          begun++
        },
      })
    })
    connections.push(...group)
    await Promise.all(group.map((connection) => connection.opened()))
    for (const connection of group) connection.send(bytes)
    const deadline = performance.now() + 10_000
    while (begun + failures < opened + group.length && performance.now() < deadline) await sleep(5)
  }

  return {
    begun: () => begun,
    complete: () => complete,
    failures: () => failures,
    close: () => {
      isClosed = true
      for (const connection of connections) connection.close()
    },
  }
}
