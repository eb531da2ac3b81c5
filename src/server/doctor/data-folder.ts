import { access, constants, stat, statfs } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fail, type Finding, ok, warn } from './finding.ts'

const leastFreeBytes = 100_000_000
const comfortableFreeBytes = 1_000_000_000
const megabyte = 1_000_000

/** Whether the data folder can be written, is closed to others, and has room. Makes nothing. */
export async function examineDataFolder(dataDir: string): Promise<Finding[]> {
  const mode = await modeOf(dataDir)
  const folder = mode === undefined ? await existingFolder(dataDir) : dataDir
  const writable = await access(folder, constants.W_OK | constants.X_OK).then(
    () => undefined,
    (error: Error) => error.message,
  )
  if (writable !== undefined)
    return [
      fail(
        'data-folder',
        `${dataDir} cannot be written: ${writable}.`,
        'Give it to this user, or set SIGNALBOX_DATA_DIR.',
      ),
    ]
  const about =
    mode === undefined
      ? ok('data-folder', `${dataDir} is not there yet: the first start makes it.`)
      : await examineModes(dataDir, mode)
  return [about, await examineSpace(folder)]
}

async function examineModes(dataDir: string, mode: number): Promise<Finding> {
  const keyFile = join(dataDir, 'encryption-key')
  const keyMode = await modeOf(keyFile)
  if (keyMode !== undefined && (keyMode & 0o077) !== 0)
    return warn(
      'data-folder',
      `Other users can read ${keyFile}.`,
      `chmod 600 ${keyFile}; and change the key if somebody may have read it.`,
    )
  if ((mode & 0o002) !== 0)
    return warn('data-folder', `Every user of this machine can write ${dataDir}.`, `chmod o-w ${dataDir}`)
  return ok('data-folder', `${dataDir} can be written.`)
}

async function examineSpace(folder: string): Promise<Finding> {
  const { bavail, bsize } = await statfs(folder)
  const free = bavail * bsize
  const text = `${Math.floor(free / megabyte)} MB are free in ${folder}.`
  const advice =
    'Make room: usage records wait there when the database is away, and large requests while they are sent.'
  if (free < leastFreeBytes) return fail('data-folder.space', text, advice)
  return free < comfortableFreeBytes ? warn('data-folder.space', text, advice) : ok('data-folder.space', text)
}

async function modeOf(path: string): Promise<number | undefined> {
  return stat(path).then(
    ({ mode }) => mode,
    () => undefined,
  )
}

/** The nearest folder above that is there. */
async function existingFolder(path: string): Promise<string> {
  const parent = dirname(path)
  return parent === path || (await modeOf(parent)) !== undefined ? parent : existingFolder(parent)
}
