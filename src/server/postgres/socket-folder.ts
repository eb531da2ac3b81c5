import { chmod, lchown, mkdtemp, rm, rmdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { StartError } from '../start-error.ts'
import { type Account, mayEnter } from './account.ts'

const PREFIX = 'signalbox-'
const NAME = /^signalbox-[A-Za-z0-9]{6}$/
const SOCKETS = ['.s.PGSQL.5432', '.s.PGSQL.5432.lock']

// sun_path holds 108 bytes on Linux and 104 on macOS, the name of the socket and the final NUL included.
const MAX_BYTES = 104 - '/.s.PGSQL.5432.lock'.length - 1

/**
 * A new folder that only the account may enter. It is in the system's place for such things, since the path of a socket
 * must be short and that of the data folder may be long; where nobody may write there, it is in the data folder.
 */
export async function createSocketFolder(account: Account, dataDir: string): Promise<string> {
  for (const parent of placesFor(dataDir)) {
    const folder = await mkdtemp(join(parent, PREFIX)).catch(() => undefined)
    if (!folder) continue
    await chmod(folder, 0o700)
    if (process.getuid?.() === 0) await lchown(folder, account.uid, account.gid)
    if (Buffer.byteLength(folder) <= MAX_BYTES && (await mayEnter(account, folder))) return folder
    await rmdir(folder)
  }
  throw new StartError(
    `The user with uid ${account.uid}, as whom PostgreSQL runs, has no place for its socket: it must be able to enter ` +
      '/tmp, and this process to write there. Usual is: chmod 1777 /tmp. A SIGNALBOX_DATA_DIR with a short path serves, too.',
  )
}

function placesFor(dataDir: string): string[] {
  return [tmpdir(), '/tmp', dataDir]
}

/** A killed server leaves its socket and the lock of it; a process with its old number would keep the next one away. */
export async function removeSockets(folder: string): Promise<void> {
  for (const name of SOCKETS) await rm(join(folder, name), { force: true })
}

/** Removes the folder only if Signalbox created it: the path may come from a file that another user can write. */
export async function removeSocketFolder(folder: string, dataDir: string): Promise<void> {
  if (!placesFor(dataDir).includes(dirname(folder)) || !NAME.test(basename(folder))) return
  await removeSockets(folder)
  await rmdir(folder).catch(() => undefined)
}
