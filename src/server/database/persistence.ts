import { setTimeout as sleep } from 'node:timers/promises'
import { type Database, openDatabase } from '../../storage/database/database.ts'
import { isAway } from '../../storage/database/is-away.ts'
import { migrate } from '../../storage/database/migrate.ts'
import { createSecretBox, type SecretBox } from '../../storage/secret/box.ts'
import type { Config } from '../configuration/config.ts'
import { describeRefusal, describeWait } from './database-fault.ts'
import { openEmbeddedPostgres } from '../postgres/embedded-postgres.ts'
import { openEncryptionKeys } from '../configuration/encryption-keys.ts'
import type { Log } from '../log/log.ts'
import { findRunningPostgres } from '../postgres/running-postgres.ts'
import { StartError } from '../start-error.ts'

/** The database, and what opens the secrets in it. Disposing closes its connections, and stops a server of our own. */
export type Persistence = AsyncDisposable & {
  /** Connections for what serves: heartbeat, following, usage and live traffic. Nobody else's queries keep it waiting. */
  readonly database: Database
  /** Connections for changes of the configuration. */
  readonly commands: Database
  /** Connections for the queries of the API, which may be slow. */
  readonly reads: Database
  readonly isEmbedded: boolean
  /** Told when a server has become read-only and its connections have been left. Returns what ends that. */
  onServerLeft(listener: () => void): () => void
  /** Ends all connections at once. */
  abandon(): void
  readonly box: SecretBox
}

export type PersistenceOptions = {
  /** Uses the embedded server of another Signalbox process in the same data folder, if there is one. */
  joinRunning?: boolean
}

const RETRY_MS = 1_000

/**
 * Opens the database of the configuration: the server that `DATABASE_URL` names, which may be away for now, or an
 * embedded one. It is not migrated yet. Throws `StartError` if the embedded server cannot start, or the key is missing.
 */
export async function openPersistence(
  config: Config,
  log: Log,
  { joinRunning = false }: PersistenceOptions = {},
): Promise<Persistence> {
  await using opened = new AsyncDisposableStack()
  const url = config.databaseUrl ?? (joinRunning ? await findRunningPostgres(config.dataDir) : undefined)
  const keys = await openEncryptionKeys(config.dataDir, config.encryptionKeys)
  const server = url === undefined ? opened.use(await openEmbeddedPostgres({ dataDir: config.dataDir, log })) : { url }
  const pools: Database[] = []
  const listeners = new Set<() => void>()
  const openPool = (maxConnections: number) => {
    const pool = opened.use(
      openDatabase({
        url: server.url,
        maxConnections,
        usesNamedStatements: config.databaseUrl === undefined || config.databaseNamedStatements,
        onConnectionError: (error) => log.warn({ error: error.message }, 'A connection to the database was lost'),
        onReadOnlyServer() {
          log.warn({}, 'The database server has become read-only; its connections are left for those of the primary')
          for (const other of pools) other.leave()
          for (const listener of listeners) listener()
        },
      }),
    )
    pools.push(pool)
    return pool
  }
  const [database, commands, reads] = [openPool(6), openPool(6), openPool(10)]
  const stack = opened.move()
  return {
    database,
    commands,
    reads,
    isEmbedded: config.databaseUrl === undefined,
    onServerLeft(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    abandon: () => pools.forEach((pool) => pool.abandon()),
    box: createSecretBox(keys),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

/**
 * Migrates, and waits for a server that is away (it may start together with this process) until the signal says no more.
 * Returns the names of what was run. Throws `MigrationError`, and `StartError` if the server refuses us.
 */
export async function migrateWhenReachable(
  url: string,
  log: Log,
  waiting: Omit<DatabaseWait, 'always'> = {},
): Promise<string[]> {
  const run = async () => {
    const ran = await migrate({ url, signal: waiting.signal })
    if (ran.length > 0) log.info({ migrations: ran }, 'The database was migrated')
    return ran
  }
  return whenUsable(() => run().catch(explainRefusal), log, waiting)
}

function explainRefusal(error: unknown): never {
  const why = describeRefusal(error)
  throw why ? new StartError(why, { cause: error }) : error
}

export interface DatabaseWait {
  /** Goes on whatever is wrong, not only while the server is away. */
  readonly always?: boolean
  readonly isEmbedded?: boolean
  readonly signal?: AbortSignal | undefined
}

/** Waits until no migration is missing: a process that may not migrate needs another process that does. */
export async function untilMigrated(
  missing: () => Promise<readonly string[]>,
  log: Log,
  signal?: AbortSignal,
): Promise<void> {
  for (let tries = 0; ; tries++) {
    const names = await missing()
    if (names.length === 0) return
    if (tries === 0)
      log.warn(
        { migrations: names },
        'The database lacks migrations of this version: waiting for a control process of this version, or the command migrate',
      )
    await sleep(RETRY_MS, undefined, { signal })
  }
}

/** Throws the database's error. For 42501 (insufficient privilege) of a gateway's user it adds what to do. */
export function explainGrants(error: unknown): never {
  if ((error as { code?: string }).code !== '42501') return explainRefusal(error)
  throw new StartError(
    `The user of DATABASE_URL lacks a right: ${(error as Error).message}. The command grants prints what a gateway needs; run its SQL ` +
      'again after each upgrade.',
    { cause: error },
  )
}

/**
 * Repeats a step that can be repeated until it succeeds, each second, as long as the server is only away, or `always`. Each reason is
 * told once. Throws an `AbortError` as soon as `signal` says no more, also while a step runs.
 */
export async function whenUsable<T>(
  step: () => Promise<T>,
  log: Log,
  { always = false, isEmbedded = false, signal }: DatabaseWait = {},
): Promise<T> {
  const loggedMessages = new Set<string>()
  for (;;) {
    try {
      return await untilAborted(step(), signal)
    } catch (error) {
      signal?.throwIfAborted()
      if (!always && !isAway(error)) throw error
      const message = describeWait(error, isEmbedded)
      if (!loggedMessages.has(message)) log.warn({}, message)
      loggedMessages.add(message)
      await sleep(RETRY_MS, undefined, { signal })
    }
  }
}

async function untilAborted<T>(running: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return running
  const aborted = Promise.withResolvers<never>()
  const abort = () => aborted.reject(signal.reason)
  signal.addEventListener('abort', abort)
  if (signal.aborted) abort()
  try {
    return await Promise.race([running, aborted.promise])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}
