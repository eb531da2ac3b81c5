import { link, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { StartError } from '../start-error.ts'
import { guardState } from './guarded-process.ts'
import { describeProcess, findProcess, isAnyRunningIn, isRunningIn, type RunningProcess } from './process-table.ts'

/** The content of PostgreSQL's `postmaster.pid`, whose lines are defined in `src/include/utils/pidfile.h`. */
type PidFile = { pid: number; socketFolder: string; isReady: boolean }

// A fast shutdown writes a last checkpoint; its guard loses patience after 45 s.
const RELEASE_TIMEOUT_MS = 60_000
const POLL_MS = 25

/** Marks the command line of a server that this software has started. */
export const SERVER_MARK = 'cluster_name=signalbox'

/**
 * Waits until no server runs in the folder. One whose process has been killed is on its way out, or is ended if even
 * its guard was killed; the `postmaster.pid` of one that is no more is taken away, if its number now belongs to
 * another program.
 *
 * Returns where a server that is no more had its socket, since its guard may not have come to removing that.
 *
 * Throws `StartError` with the process that has the folder, if that one is alive and well.
 */
export async function awaitFreeCluster(folder: string): Promise<string | undefined> {
  const deadline = Date.now() + RELEASE_TIMEOUT_MS
  const file = await readPidFile(folder)
  while (!(await isFree(folder))) {
    if (Date.now() > deadline) throw new StartError(`The server in the data folder ${folder} does not end.`)
    await sleep(POLL_MS)
  }
  return file?.socketFolder
}

async function isFree(folder: string): Promise<boolean> {
  const file = await readPidFile(folder)
  if (!file) return true
  const running = await findProcess(file.pid)
  if (running && (await isRunningIn(running, folder))) {
    await requireAbandoned(folder, running)
    return false
  }
  // The children of a server that was killed see it and end.
  if (await isAnyRunningIn(folder)) return false
  await removePidFile(folder, file.pid)
  return true
}

/** The server in the folder accepts connections, and is the process with this id. */
export async function isServerReady(folder: string, pid: number): Promise<boolean> {
  const file = await readPidFile(folder)
  return file?.pid === pid && file.isReady
}

async function requireAbandoned(folder: string, server: RunningProcess): Promise<void> {
  const guard = await findProcess(server.parentPid)
  const state = guardState(guard)
  if (state === 'ending') return
  if (state === 'none' && server.args.includes(SERVER_MARK)) return endOrphan(server.pid)
  const owner = state === 'guarding' && guard ? await findProcess(guard.parentPid) : undefined
  throw new StartError(
    `The data folder ${folder} is in use by ${describeProcess(owner ?? server)}. Stop that process, or set ` +
      'SIGNALBOX_DATA_DIR to another folder.',
  )
}

function endOrphan(pid: number): void {
  try {
    process.kill(pid, 'SIGINT')
  } catch {
    // It has gone in the meantime.
  }
}

async function readPidFile(folder: string): Promise<PidFile | undefined> {
  const text = await readFile(join(folder, 'postmaster.pid'), 'utf8').catch(() => undefined)
  const lines = text?.split('\n')
  const pid = Number(lines?.[0])
  if (!lines || !Number.isInteger(pid) || pid <= 0) return undefined
  return { pid, socketFolder: lines[4] ?? '', isReady: lines[7]?.trim() === 'ready' }
}

/**
 * PostgreSQL takes any process of its user with that number, even a zombie, for its server, and would refuse to start.
 * The file is renamed first and then looked at: a server that starts at this moment must not lose its own.
 */
async function removePidFile(folder: string, pid: number): Promise<void> {
  if (!isTaken(pid)) return
  const [file, stale] = [join(folder, 'postmaster.pid'), join(folder, `postmaster.pid.stale-${process.pid}`)]
  // A server that ends normally removes the file itself, but keeps its process id for a moment longer.
  if (!(await renamed(file, stale))) return
  const text = await readFile(stale, 'utf8')
  if (Number.parseInt(text, 10) !== pid) await link(stale, file)
  await rm(stale)
}

/** Whether there was such a file. */
async function renamed(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}

function isTaken(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
