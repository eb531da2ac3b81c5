import { Client, type ClientConfig } from 'pg'
import { breakConnection } from './break-connection.ts'
import { isAway } from './is-away.ts'
import type { DatabaseAddress, DatabaseServer, DatabaseSession } from './address.ts'
import { type Tls, tlsChoices } from './tls.ts'

/** A server, and the way to speak to it. */
export interface ReachableServer extends DatabaseServer {
  readonly tls: Tls | undefined
}

/** Finds the server to connect to. */
export interface ServerChoice {
  /** Set if there is only one way to connect, so that no search is needed. */
  readonly only: (() => ReachableServer) | undefined
  /** The first server, in their order, that answers as it should. Throws `NoServerError`, or why the only one does not. */
  choose(): Promise<ReachableServer>
  /** Marks a server as the wrong one: other servers are tried first for a while. */
  leave(reachable: DatabaseServer): void
  /** Ends a running search. */
  close(): void
}

/** None of several servers serves; the message has the reason of each. */
export class NoServerError extends Error {
  override name = 'NoServerError'
  /** The SQLSTATE of a failed connection, so that callers retry later. */
  readonly code = '08001'
}

/** Many connections are made at once: one of them looks for all. */
const keptMs = 1_000
/** How long a failed server is tried last: otherwise each connection would wait its whole time limit for it. */
const lastInLineMs = 30_000

export function createServerChoice(
  address: DatabaseAddress,
  config: ClientConfig,
  now: () => number = () => performance.now(),
): ServerChoice {
  const leftAt = new Map<DatabaseServer, number>()
  let looking: Promise<ReachableServer> | undefined
  const closing = new AbortController()

  const look = async () => {
    const isLast = (server: DatabaseServer) => (leftAt.get(server) ?? -Infinity) > now() - lastInLineMs
    const inLine = [
      ...address.servers.filter((server) => !isLast(server)),
      ...address.servers.filter((server) => isLast(server)),
    ]
    const faults: { readonly server: DatabaseServer; readonly error: Error }[] = []
    for (const server of inLine) {
      if (closing.signal.aborted) break
      try {
        const reachable = await findReachableServer(server, address, config, closing.signal)
        leftAt.delete(server)
        return reachable
      } catch (error) {
        leftAt.set(server, now())
        faults.push({ server, error: error as Error })
      }
    }
    throw summary(faults)
  }

  const isSimple = address.servers.length === 1 && address.session === 'any' && !isNegotiated(address)
  const [first] = address.servers as [DatabaseServer]
  return {
    only: isSimple ? () => ({ ...first, tls: tlsChoices(address.tls, first)[0] }) : undefined,
    choose() {
      if (looking) return looking
      const found = look()
      looking = found
      const forget = () => {
        if (looking === found) looking = undefined
      }
      found.then(() => setTimeout(forget, keptMs).unref(), forget)
      return found
    },
    close: () => closing.abort(),
    leave({ host, port }) {
      looking = undefined
      for (const server of address.servers) {
        if (server.host === host && server.port === port) leftAt.set(server, now())
      }
    },
  }
}

function isNegotiated({ tls }: DatabaseAddress): boolean {
  return tls.mode === 'allow' || tls.mode === 'prefer'
}

/** Returns the server with the first way of connecting that it accepts. */
async function findReachableServer(
  server: DatabaseServer,
  address: DatabaseAddress,
  config: ClientConfig,
  signal: AbortSignal,
): Promise<ReachableServer> {
  const choices = tlsChoices(address.tls, server)
  for (const [index, tls] of choices.entries()) {
    try {
      await visit({ ...server, tls }, address.session, config, signal)
      return { ...server, tls }
    } catch (error) {
      if (index === choices.length - 1 || !mayBeForTls(error)) throw error
    }
  }
  throw new Error('a server without any way to it')
}

/** Either it speaks no TLS, or its `pg_hba.conf` lets nobody in who comes this way. */
function mayBeForTls(error: unknown): boolean {
  const { code, message } = error as { code?: string; message?: string }
  return code === '28000' || message === 'The server does not support SSL connections'
}

const askSession = `select pg_is_in_recovery() as "isStandby", current_setting('transaction_read_only') = 'on' as "isReadOnly"`

/** Throws why this server does not serve. */
async function visit(
  reachable: ReachableServer,
  session: DatabaseSession,
  config: ClientConfig,
  signal: AbortSignal,
): Promise<void> {
  const client = new Client({ ...config, ...wayConfig(reachable) })
  client.on('error', () => undefined)
  const leave = () => breakConnection(client)
  signal.addEventListener('abort', leave)
  try {
    await client.connect()
    const { rows } = await client.query<{ isStandby: boolean; isReadOnly: boolean }>(askSession)
    const [state] = rows
    if (session !== 'any' && state?.isStandby) throw Object.assign(new Error('it is a standby'), { code: '25006' })
    if (state?.isReadOnly && session === 'read-write')
      throw Object.assign(new Error('it is read-only'), { code: '25006' })
    // Not awaited: a hanging server must not delay the search for another one.
    client.end().catch(() => undefined)
  } catch (error) {
    // A server that asks for a password would wait for it, for a minute.
    breakConnection(client)
    throw error
  } finally {
    signal.removeEventListener('abort', leave)
  }
}

/** What is left out is the driver's default. */
export function wayConfig({ host, port, tls }: ReachableServer): Pick<ClientConfig, 'host' | 'port' | 'ssl'> {
  return {
    ...(host !== undefined && { host }),
    ...(port !== undefined && { port }),
    ...(tls !== undefined && { ssl: tls }),
  }
}

function summary(faults: readonly { readonly server: DatabaseServer; readonly error: Error }[]): Error {
  if (faults.length === 0) return new Error('Connection terminated')
  const refused = faults.every(({ error }) => !isAway(error))
  if (refused || faults.length === 1) return faults[0]!.error
  const list = faults.map(
    ({ server, error }) => `${server.host ?? 'localhost'}:${server.port ?? 5432}: ${reasonOf(error)}`,
  )
  return new NoServerError(list.join('; '))
}

/** An attempt at several addresses of a name fails with an error that has no message of its own. */
export function reasonOf(error: unknown): string {
  const { message, code } = error as { message?: string; code?: string }
  return (message || code) ?? 'unknown'
}
