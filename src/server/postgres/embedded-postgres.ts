import { mkdir } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathExists } from '../files/path-exists.ts'
import { findAccount } from './account.ts'
import { findBinaries } from './binaries.ts'
import { type Cluster, clusterCommand, postgresUrl, prepareCluster } from './cluster.ts'
import { awaitFreeCluster, isServerReady, SERVER_MARK } from './cluster-lock.ts'
import { type GuardedProcess, type ProcessExit, spawnGuarded } from './guarded-process.ts'
import { createSocketFolder, removeSocketFolder, removeSockets } from './socket-folder.ts'
import { StartError } from '../start-error.ts'

/** The part of a log that is used here. */
type PostgresLog = Record<'debug' | 'warn' | 'error', LogLine> & { readonly info?: LogLine }

type LogLine = (fields: object, message: string) => void

export type EmbeddedPostgresOptions = {
  /** The cluster is kept in its subfolder `postgres`. */
  dataDir: string
  /** PostgreSQL's own settings, over those of `postgresql.conf`. */
  settings?: Readonly<Record<string, string>>
  log?: PostgresLog
}

/** A PostgreSQL server that runs as long as this process. Disposing stops it in order (a "fast shutdown"). */
export type EmbeddedPostgres = AsyncDisposable & {
  /** As for `openDatabase`; only processes of the same user, and root, can connect. */
  readonly url: string
}

// Crash recovery reads at most max_wal_size (1 GB) again.
const START_TIMEOUT_MS = 300_000
const READY_POLL_MS = 5
const FIRST_RESTART_DELAY_MS = 200
const LAST_RESTART_DELAY_MS = 10_000
const STABLE_AFTER_MS = 60_000

/**
 * Starts the embedded PostgreSQL, after making its cluster if this is the first start. It listens on a Unix socket
 * only, ends when this process ends (`kill -9` included), and is started again should it crash.
 *
 * Throws `StartError` if the folder is in use, if there are no binaries for this system, or if the server cannot start.
 */
export async function openEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const dataDir = resolve(options.dataDir)
  const cluster = await openCluster(dataDir, options.log)
  const socketFolder = await createSocketFolder(cluster.account, dataDir)
  const start: Start = (signal) => startServer(cluster, socketFolder, options, signal)
  const server = await start().catch(async (error: unknown) => {
    await removeSocketFolder(socketFolder, dataDir)
    throw error
  })
  const stop = supervise(server, start, options.log)
  return {
    url: postgresUrl(socketFolder),
    [Symbol.asyncDispose]: async () => {
      await stop()
      await removeSocketFolder(socketFolder, dataDir)
    },
  }
}

type Start = (signal?: AbortSignal) => Promise<GuardedProcess>

/** Reports the steps of a first start, which takes seconds. */
async function openCluster(dataDir: string, log?: PostgresLog): Promise<Cluster> {
  await mkdir(dataDir, { recursive: true }).catch((error: unknown) => {
    throw new StartError(
      `The data folder ${dataDir} cannot be made: ${String(error)}. Set SIGNALBOX_DATA_DIR to another.`,
    )
  })
  const folder = join(dataDir, 'postgres')
  const isFirst = !(await pathExists(join(folder, 'PG_VERSION')))
  if (isFirst) log?.info?.({ folder }, 'first start: preparing the programs of PostgreSQL')
  const account = await findAccount(folder, dataDir)
  const cluster = { folder, account, binaries: await findBinaries(account, dataDir) }
  if (isFirst) log?.info?.({}, 'first start: making an empty database, which takes some seconds')
  await prepareCluster(cluster)
  if (isFirst) log?.info?.({}, 'first start: starting PostgreSQL, then making the tables')
  return cluster
}

async function startServer(
  cluster: Cluster,
  socketFolder: string,
  { settings, log }: EmbeddedPostgresOptions,
  signal?: AbortSignal,
): Promise<GuardedProcess> {
  const earlier = await awaitFreeCluster(cluster.folder)
  if (earlier !== undefined && earlier !== socketFolder) await removeSocketFolder(earlier, dirname(cluster.folder))
  await removeSockets(socketFolder)
  const { dataArgs, ...command } = await clusterCommand(cluster, cluster.folder)
  const server = await spawnGuarded({
    ...command,
    command: cluster.binaries.postgres,
    args: [...dataArgs, '-k', socketFolder, ...settingArgs({ ...SETTINGS, ...settings }), '-c', SERVER_MARK],
    socketFolder,
    onStderrLine: (line) => log && relayLogLine(log, line),
  })
  await awaitReady(cluster.folder, server, signal).catch(async (error: unknown) => {
    await server.stop()
    throw error
  })
  return server
}

const SETTINGS = {
  listen_addresses: '',
  unix_socket_permissions: '0700',
  fsync: 'on',
  // The log goes into ours: without statements and row values, which may be secrets, and without a second clock.
  log_line_prefix: '',
  log_error_verbosity: 'terse',
  log_min_error_statement: 'panic',
  log_checkpoints: 'off',
  logging_collector: 'off',
}

function settingArgs(settings: Readonly<Record<string, string>>): string[] {
  return Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
}

async function awaitReady(folder: string, server: GuardedProcess, signal?: AbortSignal): Promise<void> {
  let exit: ProcessExit | undefined
  void server.exited.then((ended) => (exit = ended))
  const deadline = Date.now() + START_TIMEOUT_MS
  while (!(await isServerReady(folder, server.pid))) {
    if (exit) throw await whyNotStarted(folder, exit)
    signal?.throwIfAborted()
    if (Date.now() > deadline)
      throw new StartError(`PostgreSQL in ${folder} was not ready after ${START_TIMEOUT_MS / 1000} s.`)
    await sleep(READY_POLL_MS)
  }
}

/** Two that start at the same moment both find the folder free; PostgreSQL's own lock lets one of them through. */
async function whyNotStarted(folder: string, exit: ProcessExit): Promise<StartError> {
  const inUse = await awaitFreeCluster(folder).then(
    () => undefined,
    (error: unknown) => error as StartError,
  )
  return (
    inUse ?? new StartError(`PostgreSQL in ${folder} did not start (exit code ${exit.code}). It said:\n${exit.stderr}`)
  )
}

/**
 * Starts the server again whenever it ends by itself: the gateway can do without a database for a while, the API
 * cannot. Returns what stops it for good.
 */
function supervise(first: GuardedProcess, start: Start, log?: PostgresLog): () => Promise<void> {
  const stopping = new AbortController()
  let server: GuardedProcess | undefined = first
  const run = async () => {
    for (let failures = 0; ;) {
      const startedAt = performance.now()
      const exit = await server?.exited
      if (stopping.signal.aborted) return
      if (exit) log?.error({ code: exit.code }, 'PostgreSQL has ended by itself and is started again')
      failures = performance.now() - startedAt > STABLE_AFTER_MS ? 0 : failures + 1
      await sleep(restartDelayMs(failures), undefined, { signal: stopping.signal }).catch(() => undefined)
      if (stopping.signal.aborted) return
      server = await start(stopping.signal).catch((error: unknown) => {
        log?.error({ error: String(error) }, 'PostgreSQL could not be started again')
        return undefined
      })
    }
  }
  const ran = run()
  return async () => {
    stopping.abort()
    await server?.stop()
    await ran
    await server?.stop()
  }
}

function restartDelayMs(failures: number): number {
  return Math.min(FIRST_RESTART_DELAY_MS * 2 ** failures, LAST_RESTART_DELAY_MS)
}

// "LOG:  …", "ERROR:  …": the words of PostgreSQL's severities, in English since the locale is C.
function relayLogLine(log: PostgresLog, line: string): void {
  const [, severity, text] = /^([A-Z]+): {2}(.*)/.exec(line) ?? []
  const message = `PostgreSQL: ${(text ?? line).slice(0, 1_000)}`
  if (severity === 'PANIC') log.error({ severity }, message)
  else if (severity === 'FATAL' || severity === 'ERROR' || severity === 'WARNING') log.warn({ severity }, message)
  else log.debug({ severity: severity ?? 'LOG' }, message)
}
