import { fork } from 'node:child_process'
import { once } from 'node:events'
import { type Behaviour, release } from './behaviour.ts'

export interface BenchUpstreams {
  readonly ports: Readonly<Record<Behaviour, number>>
  /** Ends all held streams. */
  readonly release: () => void
  readonly close: () => Promise<void>
}

/** The bench's model servers in a process of their own, on this process's core. */
export async function openUpstreams(): Promise<BenchUpstreams> {
  const child = fork(new URL('main.ts', import.meta.url))
  const [ports] = (await once(child, 'message')) as [BenchUpstreams['ports']]
  return {
    ports,
    release: () => void child.send(release),
    close: async () => {
      child.kill()
      await once(child, 'exit')
    },
  }
}
