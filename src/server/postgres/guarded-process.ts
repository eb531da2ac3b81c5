import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { type Account, spawnAs } from './account.ts'
import type { RunningProcess } from './process-table.ts'

/** A child program that never outlives this process, even if this process is killed. */
export type GuardedProcess = {
  readonly pid: number
  /** Fulfilled when the program and all that it started are gone. `stderr` is the end of what it wrote there. */
  readonly exited: Promise<ProcessExit>
  /** Asks it to end (SIGINT), after 40 s less kindly; fulfilled when it has. */
  stop(): Promise<void>
}

export type ProcessExit = { code: number | null; stderr: string }

export type GuardedCommand = {
  command: string
  args: readonly string[]
  account: Account
  cwd: string
  /** Where the program makes its sockets; the guard removes it if this process has gone before the program. */
  socketFolder?: string
  onStderrLine?: (line: string) => void
}

const WATCHDOG_NAME = 'signalbox-postgres-watchdog'
const KEPT_STDERR_LINES = 20

/**
 * The guard is a shell and not a Node process: it must survive whoever kills all of Node's, and costs 1 MB. It holds
 * the read end of a pipe whose write end is in this process alone. The kernel closes that however this process ends,
 * and never while it is only paused; then the shell ends the program.
 *
 * - HUP, INT and TERM are ignored: systemd sends them to all of a service's processes, and the guard must be the last.
 * - stderr is given up, so that its end tells this process that the program and its children have gone.
 * - INT is repeated: a server that has just been started does not yet hear it.
 */
const WATCHDOG = `
trap '' HUP INT TERM
sockets=$2
shift 2
"$@" </dev/null >/dev/null &
pid=$!
echo "$pid"
exec >/dev/null 2>&1
inorder=
while read -r line; do inorder=$line; done
tries=0
while kill -0 "$pid"; do
  if [ "$tries" -ge 450 ]; then kill -KILL "$pid"
  elif [ "$tries" -ge 400 ]; then kill -QUIT "$pid"
  elif [ $((tries % 10)) -eq 0 ]; then kill -INT "$pid"
  fi
  tries=$((tries + 1))
  sleep 0.1
done
wait "$pid"
code=$?
if [ -z "$inorder" ] && [ -n "$sockets" ]; then rm -f "$sockets"/.s.*; rmdir "$sockets"; fi
exit "$code"
`

/** Starts the program in a session of its own: Ctrl-C in the terminal is for this process, which ends it in order. */
export async function spawnGuarded(command: GuardedCommand): Promise<GuardedProcess> {
  const guardArgs = ['-c', WATCHDOG, WATCHDOG_NAME, String(process.pid), command.socketFolder ?? '']
  const watchdog = spawn('/bin/sh', [...guardArgs, command.command, ...command.args], {
    ...spawnAs(command.account),
    cwd: command.cwd,
    // Nothing of ours: PGDATA, PGOPTIONS or a foreign locale would change what the program does.
    env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' },
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  // If the shell is killed, its end of the pipe closes too; its exit reports that.
  watchdog.stdin.on('error', () => undefined)
  const exitOfWatchdog = once(watchdog, 'exit') as Promise<[number | null, NodeJS.Signals | null]>
  const stderr = readTail(watchdog.stderr, command.onStderrLine)
  const pid = await Promise.race([readPid(watchdog.stdout), exitOfWatchdog.then(() => undefined)])
  if (pid === undefined) throw new Error(`${command.command} could not be started: ${(await stderr).join('\n')}`)

  const release = () => void watchdog.stdin.end('in order\n')
  void stderr.then(release)
  const exited = exitOfWatchdog.then(async ([code, signal]) => {
    // Nobody guards the program any more: end it now, since this process may be killed next.
    if (signal) endUnguarded(pid)
    return { code, stderr: (await stderr).join('\n') }
  })
  return {
    pid,
    exited,
    stop: async () => {
      release()
      await exited
    },
  }
}

/** Is this the guard of a guarded process; and is the process that it guards for still there? */
export function guardState(running: RunningProcess | undefined): 'none' | 'guarding' | 'ending' {
  const name = running?.args.indexOf(WATCHDOG_NAME) ?? -1
  if (!running || name < 0) return 'none'
  return running.args[name + 1] === String(running.parentPid) ? 'guarding' : 'ending'
}

function endUnguarded(pid: number): void {
  try {
    // SIGQUIT ends PostgreSQL at once; it recovers on its next start.
    process.kill(pid, 'SIGQUIT')
  } catch {
    // It has gone already.
  }
}

async function readPid(stdout: NodeJS.ReadableStream): Promise<number> {
  for await (const line of createInterface({ input: stdout })) return Number(line)
  return new Promise(() => undefined)
}

async function readTail(stream: NodeJS.ReadableStream, onLine?: (line: string) => void): Promise<string[]> {
  const tail: string[] = []
  for await (const line of createInterface({ input: stream })) {
    onLine?.(line)
    tail.push(line.slice(0, 500))
    if (tail.length > KEPT_STDERR_LINES) tail.shift()
  }
  return tail
}
