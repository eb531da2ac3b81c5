/** What the kernel says about processes (Linux): CPU time, memory, descendants, and which core they run on. */
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'

const ticksPerSecond = 100

/** CPU time of these processes, user and system, in microseconds. */
export function cpuMicros(pids: readonly number[]): number {
  const ticks = pids.map((pid) => {
    const fields = statFields(pid)
    return fields ? Number(fields[11]) + Number(fields[12]) : 0
  })
  return (ticks.reduce((sum, value) => sum + value, 0) * 1e6) / ticksPerSecond
}

/** Resident memory of these processes, in bytes. */
export function residentBytes(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    const kilobytes = /VmRSS:\s+(\d+) kB/.exec(read(`/proc/${pid}/status`) ?? '')?.[1]
    return sum + Number(kilobytes ?? 0) * 1024
  }, 0)
}

/** The process and all its descendants of which `isWanted` is told the command line. */
export function processTree(root: number, isWanted: (commandLine: string) => boolean = () => true): number[] {
  const children = new Map<number, number[]>()
  for (const pid of readdirSync('/proc').map(Number).filter(Number.isInteger)) {
    const parent = Number(statFields(pid)?.[1] ?? 0)
    children.set(parent, [...(children.get(parent) ?? []), pid])
  }
  const found: number[] = []
  const visit = (pid: number) => {
    found.push(pid)
    for (const child of children.get(pid) ?? []) visit(child)
  }
  visit(root)
  return found.filter((pid) => pid === root || isWanted(read(`/proc/${pid}/cmdline`)?.replaceAll('\0', ' ') ?? ''))
}

/** Whether processes can be kept apart: `taskset` is there, and a second core. */
export const canPin: boolean = availableParallelism() > 1 && spawnSync('taskset', ['--version']).status === 0

/** What to put before the command of a server under test. */
export const serverCore: readonly string[] = canPin ? ['taskset', '-c', '0'] : []

/** Puts processes, and what they fork from now on, on the other core. */
export function moveToLoadCore(pids: readonly number[]): void {
  moveTo(1, pids)
}

/** The same with the core of the server under test. */
export function moveToServerCore(pids: readonly number[]): void {
  moveTo(0, pids)
}

function moveTo(core: number, pids: readonly number[]): void {
  if (canPin) for (const pid of pids) spawnSync('taskset', ['-a', '-c', '-p', String(core), String(pid)])
}

// The fields of /proc/<pid>/stat behind the command's name, which may contain anything: index 0 is the state.
function statFields(pid: number): string[] | undefined {
  const text = read(`/proc/${pid}/stat`)
  return text?.slice(text.lastIndexOf(')') + 2).split(' ')
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
