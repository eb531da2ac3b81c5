import type { UsageRecord } from '../../routing/usage/record.ts'
import { type Database, openDatabase } from '../../storage/database/database.ts'
import { isAway } from '../../storage/database/is-away.ts'
import { listEndedRequests, type RequestTailFilter } from '../../storage/usage/request-log.ts'
import type { Config } from '../configuration/config.ts'
import { openDatabaseServer, type OpenDatabaseServer } from '../database/database-server.ts'
import type { Log } from '../log/log.ts'
import { findRunningPostgres } from '../postgres/running-postgres.ts'

export interface EndedRequestsPage {
  readonly endedFrom: Date
  readonly known: readonly string[]
  readonly limit: number
}

/** Reads the request log of an installation beside its server, also over a restart of that. */
export interface LogReader extends AsyncDisposable {
  /** Undefined: the database is away, and `follows` is set; the next call tries again. Without `follows` it throws what the driver throws. */
  read(page: EndedRequestsPage): Promise<readonly UsageRecord[] | undefined>
}

interface Connection {
  readonly server: OpenDatabaseServer
  readonly database: Database
}

export async function openLogReader(
  config: Config,
  filter: RequestTailFilter,
  { follows, log }: { readonly follows: boolean; readonly log: Pick<Log, 'debug' | 'warn' | 'error'> },
): Promise<LogReader> {
  let connection: Connection | undefined = await connect(config, log)
  let isToldAway = false
  const leave = async () => {
    const left = connection
    connection = undefined
    await left?.database[Symbol.asyncDispose]()
    await left?.server[Symbol.asyncDispose]()
  }
  /** A server of our own would keep the one that is being restarted from its data folder: it is only waited for. */
  const reconnect = async () => {
    if (config.databaseUrl === undefined && (await findRunningPostgres(config.dataDir)) === undefined) return undefined
    return await connect(config, log)
  }
  return {
    async read(page) {
      try {
        connection ??= await reconnect()
        if (!connection) return undefined
        const records = await listEndedRequests(connection.database.db, filter, page)
        isToldAway = false
        return records
      } catch (error) {
        if (!follows || !isAway(error)) throw error
        await leave()
        if (!isToldAway) log.warn({ error: (error as Error).message }, 'the database is away; waiting for it')
        isToldAway = true
        return undefined
      }
    },
    [Symbol.asyncDispose]: leave,
  }
}

async function connect(config: Config, log: Pick<Log, 'debug' | 'warn' | 'error'>): Promise<Connection> {
  const server = await openDatabaseServer(config, log)
  const database = openDatabase({
    url: server.url,
    maxConnections: 1,
    usesNamedStatements: false,
    applicationName: 'signalbox logs',
  })
  return { server, database }
}
