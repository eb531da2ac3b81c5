import { type KyselyPlugin, Kysely, PostgresDialect, type PostgresPool } from 'kysely'
import {
  type ClientBase,
  type ClientConfig,
  Pool,
  type PoolClient,
  type PoolConfig,
  TypeOverrides,
  types as pgTypes,
} from 'pg'
import { breakConnection } from './break-connection.ts'
import type { Db } from './db.ts'
import { type DatabaseAddress, parseDatabaseUrl } from './address.ts'
import { ChosenClient } from './chosen-client.ts'
import { createServerChoice, type ServerChoice } from './server-choice.ts'
import { PreparingClient, readOnlyServer } from './prepared-statement.ts'
import { openReadView, type ReadView } from './read-view.ts'
import type { Tables } from './tables.ts'

/** An open pool of connections. Disposing waits for the queries in flight and closes the connections. */
export type Database = AsyncDisposable & {
  readonly db: Db
  /** Of the server, as `postgres://` URL. It may hold a password: not for logs. */
  readonly url: string
  readonly pool: () => PoolState
  /** Ends all connections at once, so that nobody waits any longer for a server that does not answer. */
  readonly abandon: () => void
  /** Ends the current connections, whose server is no longer the right one. New ones are opened when needed. */
  readonly leave: () => void
  /** Opens a view of one state of the database, for reading. */
  readonly openReadView: () => ReadView
}

/** Connections of a pool, and the queries that wait for one. */
export type PoolState = {
  readonly busy: number
  readonly idle: number
  readonly waiting: number
}

export type DatabaseOptions = {
  /** `postgres://user:password@host:port/database`, several hosts separated by commas, or a Unix socket's folder as `?host=`. */
  url: string
  /** Most connections at a time; more queries wait for their turn. */
  maxConnections?: number
  /** How long to wait for a connection: for a free one, and for the server to answer. */
  connectTimeoutMs?: number
  /** The server gives up on a statement after this. */
  statementTimeoutMs?: number
  /** Shown by the server in `pg_stat_activity`. */
  applicationName?: string
  /** Called when a connection breaks. The pool replaces it; its queries fail. */
  onConnectionError?: (error: Error) => void
  /** Called when the server refuses writes because it is no longer the primary (SQLSTATE 25006). Its connections were left already. */
  onReadOnlyServer?: () => void
  /**
   * Large statements are prepared under a name, once per connection; by default true. A pooler that hands connections on after each
   * transaction loses the names.
   */
  usesNamedStatements?: boolean
  /** Called for each statement, without its parameters, which may be secrets. */
  onStatement?: (statement: { sql: string; durationMs: number }) => void
  plugins?: KyselyPlugin[]
}

const DEFAULT_MAX_CONNECTIONS = 10
const DEFAULT_CONNECT_TIMEOUT_MS = 5_000
const DEFAULT_STATEMENT_TIMEOUT_MS = 30_000

/**
 * Opens the pool. Connects on the first query, so it returns at once and does not throw if the server is away: the
 * queries do. Throws `DatabaseUrlError`.
 */
export function openDatabase(options: DatabaseOptions): Database {
  const config = poolConfig(options)
  const pool = new Pool(config)
  const tellBroken = (error: Error) => {
    if (!isAbandoned) options.onConnectionError?.(error)
  }
  // Without a listener, a connection that breaks (a restart of the server) while it is idle, or in a transaction
  // between two statements, would end the process. The pool listens to its idle connections only, and tells again.
  pool.on('connect', (client) => client.on('error', tellBroken))
  pool.on('error', () => undefined)
  const clients = new Set<PoolClient & ChosenClient>()
  let isAbandoned = false
  const leave = () => {
    for (const client of clients) {
      client.leaveServer()
      breakConnection(client)
    }
  }
  // The pool makes them with the class that it is given, which its type does not say.
  const isOurs = (client: PoolClient): client is PoolClient & ChosenClient => client instanceof ChosenClient
  pool.on('connect', (client) => {
    if (isOurs(client)) clients.add(client)
    client.once(readOnlyServer, () => {
      leave()
      options.onReadOnlyServer?.()
    })
    if (isAbandoned) breakConnection(client)
  })
  pool.on('remove', (client) => isOurs(client) && clients.delete(client))
  const kyselyOf = (connections: PostgresPool): Db =>
    new Kysely<Tables>({
      dialect: new PostgresDialect({ pool: connections }),
      plugins: options.plugins ?? [],
      log: (event) => options.onStatement?.({ sql: event.query.sql, durationMs: event.queryDurationMillis }),
    })
  const db = kyselyOf(pool)
  return {
    db,
    url: options.url,
    pool: () => poolState(pool),
    abandon() {
      isAbandoned = true
      config.choice.close()
      leave()
    },
    leave,
    openReadView: () => openReadView(pool, kyselyOf),
    [Symbol.asyncDispose]: () => db.destroy(),
  }
}

function poolState({ totalCount, idleCount, waitingCount }: Pool): PoolState {
  return { busy: totalCount - idleCount, idle: idleCount, waiting: waitingCount }
}

/**
 * A connection outside the pool, e.g. one that listens: to the same servers, with the same types, and without a limit on a statement's
 * time. It is not connected yet. Throws `DatabaseUrlError`.
 */
export function createConnection(url: string, applicationName: string): ChosenClient {
  return new ChosenClient(chosenConfig(parseDatabaseUrl(url), applicationName))
}

/** The driver's configuration for the first of the URL's servers. */
export function clientConfig(url: string, applicationName = 'signalbox'): ClientConfig {
  const address = parseDatabaseUrl(url)
  const [server] = address.servers
  return {
    ...driverConfig(address, applicationName),
    ...(server?.host !== undefined && { host: server.host }),
    ...(server?.port !== undefined && { port: server.port }),
  }
}

function driverConfig(address: DatabaseAddress, applicationName: string): ClientConfig {
  return {
    application_name: applicationName,
    ...address.login,
    ...(address.tls.isDirect && { ssl: true, sslnegotiation: 'direct' }),
    connectionTimeoutMillis: address.connectTimeoutMs ?? DEFAULT_CONNECT_TIMEOUT_MS,
    keepAlive: true,
    types,
  }
}

function chosenConfig(address: DatabaseAddress, applicationName: string) {
  const config = driverConfig(address, applicationName)
  const query_timeout = config.connectionTimeoutMillis ?? DEFAULT_CONNECT_TIMEOUT_MS
  return { ...config, choice: createServerChoice(address, { ...config, query_timeout }) }
}

function poolConfig(
  options: DatabaseOptions,
): PoolConfig & { readonly usesNamedStatements: boolean; readonly choice: ServerChoice } {
  const statementTimeoutMs = options.statementTimeoutMs ?? DEFAULT_STATEMENT_TIMEOUT_MS
  // The pool waits for a promise, which its type does not say. A pooler may refuse settings as parameters of the start.
  const onConnect: (client: ClientBase) => unknown = (client) => client.query(sessionSettings(options))
  const config = chosenConfig(parseDatabaseUrl(options.url), options.applicationName ?? 'signalbox')
  return {
    ...config,
    // The type of the driver has it take nothing.
    Client: PreparingClient as unknown as NonNullable<PoolConfig['Client']>,
    connectionTimeoutMillis: options.connectTimeoutMs ?? config.connectionTimeoutMillis,
    max: options.maxConnections ?? DEFAULT_MAX_CONNECTIONS,
    usesNamedStatements: options.usesNamedStatements ?? true,
    onConnect,
    // The server's own limit cannot fire when the network is gone: without this the query would wait for hours.
    query_timeout: statementTimeoutMs + 5_000,
  }
}

/** `idle_in_transaction_session_timeout`: a transaction that its client forgot would keep its locks for ever. */
function sessionSettings({ statementTimeoutMs = DEFAULT_STATEMENT_TIMEOUT_MS }: DatabaseOptions): string {
  return `set statement_timeout = ${statementTimeoutMs}; set idle_in_transaction_session_timeout = ${statementTimeoutMs}`
}

const types = new TypeOverrides()
types.setTypeParser(pgTypes.builtins.INT8, parseInt8)

function parseInt8(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value)) throw new RangeError(`The bigint ${text} does not fit into a JavaScript number.`)
  return value
}
