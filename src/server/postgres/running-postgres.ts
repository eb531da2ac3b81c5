import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { postgresUrl } from './cluster.ts'
import { findProcess, isRunningIn } from './process-table.ts'

/** The URL of the embedded server that another process runs in this data folder, or undefined if there is none. */
export async function findRunningPostgres(dataDir: string): Promise<string | undefined> {
  const folder = join(dataDir, 'postgres')
  const text = await readFile(join(folder, 'postmaster.pid'), 'utf8').catch(() => undefined)
  const [pid, , , , socketFolder] = text?.split('\n') ?? []
  const running = await findProcess(Number(pid))
  if (!running || !socketFolder || !(await isRunningIn(running, folder))) return undefined
  return postgresUrl(socketFolder)
}
