import { randomBytes } from 'node:crypto'
import { chmod, lchown, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { pathExists } from '../files/path-exists.ts'
import { StartError } from '../start-error.ts'
import { syncFolder } from '../files/sync-folder.ts'
import { type Account, mayEnter } from './account.ts'
import type { Binaries } from './binaries.ts'
import { type GuardedCommand, type ProcessExit, spawnGuarded } from './guarded-process.ts'
import { tryAccountNames, isForWantOfAName } from './nameless-account.ts'
import { findProcess } from './process-table.ts'

/** A database cluster on disk: what PostgreSQL calls its data directory. */
export type Cluster = { folder: string; account: Account; binaries: Binaries }

const POSTGRES_MAJOR = '18'

// The superuser, and the only one.
const CLUSTER_USER = 'signalbox'

/**
 * Makes the cluster if there is none yet, and gives it to the account. Throws `StartError` if it was made by another
 * major version of PostgreSQL, or cannot be made (full disk, no permission).
 */
export async function prepareCluster(cluster: Cluster): Promise<void> {
  if (!(await pathExists(join(cluster.folder, 'PG_VERSION')))) await createCluster(cluster)
  await requireVersion(cluster.folder)
  await takeOver(cluster)
}

/** As for `openDatabase`: the server whose socket is in the folder. */
export function postgresUrl(socketFolder: string): string {
  return `postgres://${CLUSTER_USER}@localhost/postgres?host=${encodeURIComponent(socketFolder)}`
}

/** How to run a program of PostgreSQL on a cluster's folder. */
export async function clusterCommand(
  cluster: Cluster,
  folder: string,
): Promise<Pick<GuardedCommand, 'account' | 'cwd'> & { dataArgs: string[] }> {
  return {
    account: cluster.account,
    cwd: folder,
    dataArgs: ['-D', await pathFor(cluster.account, folder)],
  }
}

/**
 * A folder below a closed one (root's home) cannot be reached by its path, but a process that is born in it can stay
 * there: PostgreSQL uses relative paths, and Linux gives the way to say "here" as an absolute one.
 */
async function pathFor(account: Account, folder: string): Promise<string> {
  if (await mayEnter(account, folder)) return folder
  if (process.platform === 'linux') return '/proc/self/cwd'
  throw new StartError(
    `The user with uid ${account.uid}, as whom PostgreSQL runs, may not enter ${folder}. Let it enter the folders above ` +
      '(chmod o+x), or set SIGNALBOX_DATA_DIR to another folder.',
  )
}

/** A cluster gets its name only when it is complete, so an interrupted start leaves nothing that looks like a cluster. */
async function createCluster(cluster: Cluster): Promise<void> {
  const unfinished = `${cluster.folder}.new-${process.pid}-${randomBytes(4).toString('hex')}`
  try {
    await removeAbandoned(cluster.folder)
    await mkdir(unfinished, { mode: 0o700 })
    await chownTo(cluster.account, unfinished)
    await initialise(cluster, unfinished)
    await rename(unfinished, cluster.folder)
    await syncFolder(dirname(cluster.folder))
  } catch (error) {
    // Another process that started at the same time may have been first.
    if (await pathExists(join(cluster.folder, 'PG_VERSION'))) return
    throw error instanceof StartError ? error : new StartError(`The database could not be made: ${String(error)}`)
  } finally {
    await rm(unfinished, { recursive: true, force: true })
  }
}

async function initialise(cluster: Cluster, folder: string): Promise<void> {
  const { code, stderr } = await tryAccountNames(folder, cluster.account, (way) => runInitdb(cluster, folder, way))
  if (code !== 0) throw whyNotInitialised(cluster, stderr)
  // Only through the socket, whose folder nobody else may enter: initdb would also trust whoever comes over TCP.
  await writeFile(join(folder, 'pg_hba.conf'), 'local all all trust\n')
}

async function runInitdb(cluster: Cluster, folder: string, way: readonly string[]): Promise<ProcessExit> {
  const { dataArgs, ...command } = await clusterCommand(cluster, folder)
  const initdb = await spawnGuarded({
    ...command,
    command: 'env',
    args: [
      ...way,
      cluster.binaries.initdb,
      ...dataArgs,
      `--username=${CLUSTER_USER}`,
      '--auth=trust',
      '--encoding=UTF8',
      // The same order of strings on every system, whatever its locales.
      '--locale=C',
      '--locale-provider=builtin',
      '--builtin-locale=C.UTF-8',
      '--no-instructions',
    ],
  })
  return initdb.exited
}

function whyNotInitialised({ folder, account }: Cluster, stderr: string): StartError {
  const advice = isForWantOfAName(stderr)
    ? ` PostgreSQL wants a user with a name the first time: install libnss-wrapper (nss_wrapper), give uid ${account.uid} a line in ` +
      "/etc/passwd, use a user or a data folder's owner that has one, or set DATABASE_URL to a PostgreSQL server."
    : ''
  return new StartError(`The database could not be made in ${folder}.${advice} initdb said: ${stderr}`)
}

async function requireVersion(folder: string): Promise<void> {
  const version = (await readFile(join(folder, 'PG_VERSION'), 'utf8')).trim()
  if (version === POSTGRES_MAJOR) return
  throw new StartError(
    `The database in ${folder} was made by PostgreSQL ${version}, and this is ${POSTGRES_MAJOR}. Write it out with the old ` +
      'version (pg_dump), start with an empty SIGNALBOX_DATA_DIR, and read it in.',
  )
}

/** Data that root has put there (a restored backup) is given to the account; its folder last, as the mark that all is done. */
async function takeOver({ folder, account }: Cluster): Promise<void> {
  if (process.getuid?.() !== 0 || (await stat(folder)).uid === account.uid) return
  for (const entry of await readdir(folder, { recursive: true })) await chownTo(account, join(folder, entry))
  await chownTo(account, folder)
  await chmod(folder, 0o700)
}

async function chownTo(account: Account, path: string): Promise<void> {
  if (process.getuid?.() === 0) await lchown(path, account.uid, account.gid)
}

/** Removes what a process left behind that was killed while it created a cluster. */
async function removeAbandoned(clusterFolder: string): Promise<void> {
  const unfinished = new RegExp(`^${basename(clusterFolder)}\\.new-(\\d+)-`)
  for (const name of await readdir(dirname(clusterFolder))) {
    const pid = unfinished.exec(name)?.[1]
    if (!pid || (await findProcess(Number(pid)))) continue
    // Its initdb may still be on its way out, and write while we delete.
    const unfinishedFolder = join(dirname(clusterFolder), name)
    await rm(unfinishedFolder, { recursive: true, force: true, maxRetries: 20, retryDelay: 25 })
  }
}
