import { execFile } from 'node:child_process'
import { readdir, readFile, stat } from 'node:fs/promises'
import { promisify } from 'node:util'

/** A process of this machine that is running now. */
export type RunningProcess = { pid: number; parentPid: number; args: readonly string[] }

const run = promisify(execFile)

/** The process with this id; undefined if there is none or only a zombie. */
export function findProcess(pid: number): Promise<RunningProcess | undefined> {
  return process.platform === 'linux' ? findInProc(pid) : findByPs(pid)
}

/** Is this process at work in that folder? As a PostgreSQL server is in its data folder. */
export async function isRunningIn(running: RunningProcess, folder: string): Promise<boolean> {
  // On other systems the folder of a process is not readable directly, but its command line names it.
  if (process.platform !== 'linux') return running.args.join(' ').includes(folder)
  const [its, wanted] = await Promise.all([
    stat(`/proc/${running.pid}/cwd`).catch(() => undefined),
    stat(folder).catch(() => undefined),
  ])
  return its !== undefined && its.dev === wanted?.dev && its.ino === wanted.ino
}

/** Is any process at work in that folder? On Linux only; elsewhere the answer is no. */
export async function isAnyRunningIn(folder: string): Promise<boolean> {
  if (process.platform !== 'linux') return false
  const wanted = await stat(folder)
  const names = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const folders = await Promise.all(names.map((name) => stat(`/proc/${name}/cwd`).catch(() => undefined)))
  return folders.some((its) => its?.dev === wanted.dev && its.ino === wanted.ino)
}

/** For a message to the operator: "process 4711 (node src/main.ts serve)". */
export function describeProcess(running: RunningProcess): string {
  const command = running.args.join(' ').replaceAll(/\s+/g, ' ')
  return `process ${running.pid} (${command.length > 200 ? `${command.slice(0, 200)}…` : command})`
}

async function findInProc(pid: number): Promise<RunningProcess | undefined> {
  const [status, commandLine] = await Promise.all([
    readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ''),
    readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''),
  ])
  // proc(5): pid (name) state ppid …, where the name may hold blanks and brackets.
  const [state, parentPid] = status.slice(status.lastIndexOf(')') + 2).split(' ')
  if (!status || state === 'Z' || state === 'X') return undefined
  return { pid, parentPid: Number(parentPid), args: commandLine.split('\0').filter(Boolean) }
}

async function findByPs(pid: number): Promise<RunningProcess | undefined> {
  const found = await run('ps', ['-ww', '-o', 'ppid=,stat=,command=', '-p', String(pid)]).catch(() => undefined)
  const [, parentPid, state, command] = /^\s*(\d+)\s+(\S+)\s+(.*)/.exec(found?.stdout ?? '') ?? []
  if (!command || state?.startsWith('Z')) return undefined
  return { pid, parentPid: Number(parentPid), args: command.split(' ') }
}
