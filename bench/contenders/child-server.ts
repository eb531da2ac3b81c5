import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { processTree, serverCore } from '../cpu.ts'
import { isListening } from '../../test/support/ports.ts'

export interface ChildServer {
  readonly pids: () => readonly number[]
  readonly close: () => Promise<void>
}

/** A server as a pinned child process, once it listens on `port`. Throws if it ends before, or after 20 s. */
export async function openChildServer(
  words: readonly string[],
  port: number,
  options: { cwd: string; env?: Readonly<Record<string, string>> },
): Promise<ChildServer> {
  const [command = '', ...args] = [...serverCore, ...words]
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: 'ignore',
  })
  const exited = once(child, 'exit')
  const close = async () => {
    if (child.exitCode === null) child.kill('SIGTERM')
    await exited
  }
  const deadline = performance.now() + 20_000
  while (!(await isListening(port))) {
    if (child.exitCode !== null) throw new Error(`${words[0]} ended with ${child.exitCode}`)
    if (performance.now() > deadline) {
      await close()
      throw new Error(`${words[0]} does not listen`)
    }
    await sleep(50)
  }
  return { pids: () => processTree(child.pid ?? 0), close }
}
