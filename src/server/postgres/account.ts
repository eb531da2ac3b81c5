import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { stat } from 'node:fs/promises'
import { StartError } from '../start-error.ts'

/** Whom the embedded PostgreSQL runs as. */
export type Account = { uid: number; gid: number }

// "nobody" on every Linux: PostgreSQL refuses to run as root.
const NOBODY: Account = { uid: 65_534, gid: 65_534 }

/**
 * Who is to run the server: whoever runs this process; for root the owner of the data that is there already, or else
 * nobody (65534). Throws `StartError` if the data belongs to another user.
 */
export async function findAccount(clusterFolder: string, dataDir: string): Promise<Account> {
  const [own, owner] = [ownAccount(), await findOwner(clusterFolder)]
  if (own.uid === 0) return notRoot(owner) ?? notRoot(await findOwner(dataDir)) ?? NOBODY
  if (owner && owner.uid !== own.uid) {
    throw new StartError(
      `The database in ${clusterFolder} belongs to the user with uid ${owner.uid}, and this process runs as uid ${own.uid}. ` +
        'Start Signalbox as that user or as root, or set SIGNALBOX_DATA_DIR to another folder.',
    )
  }
  return own
}

/** What `spawn` needs to run a program as this account: nothing, unless this process is root. */
export function spawnAs(account: Account): Partial<Account> {
  return ownAccount().uid === 0 ? account : {}
}

/** May the account enter this folder? Asked of the system itself, since mode bits do not tell of ACLs and mounts. */
export async function mayEnter(account: Account, folder: string): Promise<boolean> {
  if (ownAccount().uid !== 0) return true
  const shell = spawn('/bin/sh', ['-c', 'cd "$1"', 'sh', folder], {
    ...spawnAs(account),
    cwd: '/',
    env: {},
    stdio: 'ignore',
  })
  const [code] = (await once(shell, 'exit')) as [number | null]
  return code === 0
}

function ownAccount(): Account {
  if (!process.getuid || !process.getgid) {
    throw new StartError(
      'There is no embedded PostgreSQL for this system. Set DATABASE_URL to a PostgreSQL server, or use WSL.',
    )
  }
  return { uid: process.getuid(), gid: process.getgid() }
}

async function findOwner(path: string): Promise<Account | undefined> {
  const found = await stat(path).catch(() => undefined)
  return found && { uid: found.uid, gid: found.gid }
}

function notRoot(account: Account | undefined): Account | undefined {
  return account?.uid === 0 ? undefined : account
}
