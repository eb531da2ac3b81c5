import { isIP } from 'node:net'
import { type ChosenClient, isEncrypted } from './chosen-client.ts'
import { createConnection } from './database.ts'

/** Facts about a database server and about the connection to it. */
export interface ServerFacts {
  /** e.g. 180004 for 18.4. */
  readonly versionNumber: number
  readonly version: string
  readonly isReadOnly: boolean
  /** How far the server's clock is ahead of ours; negative if it is behind. */
  readonly clockAheadMs: number
  readonly isEncrypted: boolean
  /** Whether the connection stays on this machine. */
  readonly isLocal: boolean
  /** The pooler in between: `none`, or a pooler in session or transaction mode. */
  readonly pooler: 'none' | 'session' | 'transaction'
}

/** Asks it over connections of its own, and changes nothing. Throws what the driver throws. */
export async function readServerFacts(url: string): Promise<ServerFacts> {
  await using first = await connect(url)
  const askedAtMs = Date.now()
  const { rows } = await first.client.query<Row>(question)
  const row = rows[0]!
  // The answer was true about in the middle of the way there and back.
  const heardAtMs = (askedAtMs + Date.now()) / 2
  return {
    versionNumber: row.versionNumber,
    version: row.version,
    isReadOnly: row.isReadOnly,
    clockAheadMs: row.nowMs - heardAtMs,
    isEncrypted: isEncrypted(first.client),
    isLocal: isLocal(first.client.host),
    pooler: await findPooler(url, first.client, row.pid),
  }
}

interface Row extends Pick<ServerFacts, 'versionNumber' | 'version' | 'isReadOnly'> {
  readonly nowMs: number
  readonly pid: number
}

const question = `
  select current_setting('server_version_num')::int as "versionNumber", current_setting('server_version') as version,
    pg_is_in_recovery() or current_setting('transaction_read_only') = 'on' as "isReadOnly",
    extract(epoch from clock_timestamp())::float8 * 1000 as "nowMs", pg_backend_pid() as pid`

async function connect(url: string): Promise<AsyncDisposable & { readonly client: ChosenClient }> {
  const client = createConnection(url, 'signalbox doctor')
  client.on('error', () => undefined)
  await client.connect()
  return { client, [Symbol.asyncDispose]: () => client.end().catch(() => undefined) }
}

/**
 * Detects a pooler. A pooler reports process ids of its own. In transaction mode it gives the server's connection to another client
 * between two statements: a transaction of a second client takes the connection, and the first client gets another one.
 */
async function findPooler(url: string, first: ChosenClient, pid: number): Promise<ServerFacts['pooler']> {
  if ((first as unknown as { readonly processID: number }).processID === pid) return 'none'
  await using second = await connect(url)
  await second.client.query('begin')
  const taken = await pidOf(second.client)
  const now = await pidOf(first)
  await second.client.query('rollback')
  return taken === pid || now !== pid ? 'transaction' : 'session'
}

async function pidOf(client: ChosenClient): Promise<number> {
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
  return rows[0]!.pid
}

/** A folder of a socket, or this machine's own addresses. */
function isLocal(host: string): boolean {
  return host.startsWith('/') || host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}
