import { setTimeout as sleep } from 'node:timers/promises'
import { openClosedLoop } from './closed-loop.ts'
import { type Address, requestBytes } from './connection.ts'

/**
 * Load before anything is measured. A gateway runs for months: what an engine does in its first ten thousand requests, compiling
 * the same functions again and again, says nothing about that.
 */
export async function warmUp(address: Address, body: string, connections: number, forMs: number): Promise<void> {
  const { port } = address
  const load = await openClosedLoop({ port, requests: [requestBytes(address, body)], connections })
  await sleep(forMs)
  load.stop()
  await sleep(200)
}

/** How long each contender is warmed up, all the same. */
export function warmUpMs({ isQuick }: { readonly isQuick: boolean }): number {
  return isQuick ? 4_000 : 8_000
}
