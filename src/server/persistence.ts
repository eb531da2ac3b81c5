import { setTimeout as sleep } from 'node:timers/promises'
import { type Database, openDatabase } from '../storage/database.ts'
import { isAway } from '../storage/is-away.ts'
import { migrate } from '../storage/migrate.ts'
import { createSecretBox, type SecretBox } from '../storage/secret-box.ts'
import type { Config } from './config.ts'
import { openEmbeddedPostgres } from './embedded-postgres.ts'
import { openEncryptionKeys } from './encryption-key.ts'
import type { Log } from './log.ts'
import { findRunningPostgres } from './postgres/running-postgres.ts'
import { StartError } from './start-error.ts'

/** The database, and what opens the secrets in it. Disposing closes its connections, and stops a server of our own. */
export type Persistence = AsyncDisposable & {
  /** Connections for what serves: heartbeat, following, usage and live traffic. Nobody else's queries keep it waiting. */
  readonly database: Database
  /** Connections for changes of the configuration. */
  readonly commands: Database
  /** Connections for the queries of the API, which may be slow. */
  readonly reads: Database
  /** Has all connections left, at once. */
  abandon(): void
  readonly box: SecretBox
}

export type PersistenceOptions = {
  /** Uses the embedded server of another Signalbox process in the same data folder, if there is one. */
  joinRunning?: boolean
}

const RETRY_MS = 1_000
const LOG_EVERY_TRIES = 10

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
    abandon: () => pools.forEach((pool) => pool.abandon()),
    box: createSecretBox(keys),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

/**
 * Migrates, and waits for a server that is away (it may start together with this process) until `signal` says no more.
 * Returns the names of what was run. Throws `MigrationError`, and `StartError` if the server refuses us.
 */
export async function migrateWhenReachable(url: string, log: Log, signal?: AbortSignal): Promise<string[]> {
  const run = async () => {
    const ran = await migrate({ url })
    if (ran.length > 0) log.info({ migrations: ran }, 'The database was migrated')
    return ran
  }
  const explain = (error: unknown): never => {
    const why = describeRefusal(error)
    throw why ? new StartError(`The database at DATABASE_URL cannot be used: ${why}`, { cause: error }) : error
  }
  return whenUsable(() => run().catch(explain), log, { signal })
}

/**
 * Repeats a step that can be repeated until it succeeds, each second, as long as the server is only away, or `always`. Throws an
 * `AbortError` once `signal` says no more.
 */
export async function whenUsable<T>(
  step: () => Promise<T>,
  log: Log,
  { always = false, signal }: { readonly always?: boolean; readonly signal?: AbortSignal | undefined } = {},
): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return await step()
    } catch (error) {
      signal?.throwIfAborted()
      if (!always && !isAway(error)) throw error
      const message = isAway(error)
        ? 'The database cannot be reached; trying again each second'
        : 'The database cannot be used; trying again each second'
      if (tries % LOG_EVERY_TRIES === 0) log.warn({ error: (error as Error).message }, message)
      await sleep(RETRY_MS, undefined, { signal })
    }
  }
}

const REFUSALS: Readonly<Record<string, string>> = {
  '28P01': 'it does not accept the user and password.',
  '28000': 'it does not accept the user and password.',
  '3D000': 'there is no database of that name. Create it first: createdb signalbox.',
  '42501': 'the user may not create tables in it. Give it the database: ALTER DATABASE … OWNER TO ….',
}

function describeRefusal(error: unknown): string | undefined {
  return REFUSALS[(error as { code?: string }).code ?? '']
}
