import { sql } from 'kysely'
import { breakConnection } from './break-connection.ts'
import type { ChosenClient } from './chosen-client.ts'
import type { Db } from './db.ts'
import { createConnection } from './database.ts'

export interface NotificationOptions {
  /** The database, as for `openDatabase`. */
  readonly url: string
  readonly channels: readonly string[]
  readonly onNotification: (channel: string, payload: string) => void
  /** Called each time that it listens (again): what came before is lost, so read everything. */
  readonly onListening: () => void
  /** The connection broke or could not be made; it is tried again by itself. */
  readonly onBroken: (error: Error) => void
}

const reconnectMs = 250
const maxReconnectMs = 5_000
/** The time to end a connection that may hang. */
const lastWordsMs = 1_000

export interface Notifications extends AsyncDisposable {
  /** Ends the current connection, and searches the right server again. */
  leave(): void
}

/** Listens on a separate connection, and reconnects automatically until it is disposed. */
export function openNotifications(options: NotificationOptions): Notifications {
  let client: ChosenClient | undefined
  let timer: NodeJS.Timeout | undefined
  let isClosed = false
  let failures = 0

  const connect = async () => {
    const next = createConnection(options.url, 'signalbox notifications')
    client = next
    next.on('notification', ({ channel, payload }) => options.onNotification(channel, payload ?? ''))
    next.on('error', (error) => broke(next, error))
    next.on('end', () => broke(next, new Error('The connection to the database ended.')))
    try {
      await next.connect()
      for (const channel of options.channels) await next.query(`listen ${next.escapeIdentifier(channel)}`)
      if (isClosed) return
      failures = 0
      options.onListening()
    } catch (error) {
      broke(next, error as Error)
    }
  }

  const broke = (broken: ChosenClient, error: Error) => {
    if (broken !== client || isClosed) return
    client = undefined
    // Without this, a half-open connection would be left to the operating system.
    void broken.end().catch(() => undefined)
    options.onBroken(error)
    timer = setTimeout(() => void connect(), Math.min(maxReconnectMs, reconnectMs * 2 ** failures++))
  }

  void connect()
  return {
    leave() {
      if (client) breakConnection(client)
    },
    async [Symbol.asyncDispose]() {
      isClosed = true
      client?.choice.close()
      clearTimeout(timer)
      if (!client) return
      const hung = setTimeout(breakConnection, lastWordsMs, client)
      await client.end().catch(() => undefined)
      clearTimeout(hung)
    },
  }
}

/** Notifies the listeners of the channel; within a transaction when it commits. The payload has at most 7,999 bytes. */
export async function notify(db: Db, channel: string, payload: string): Promise<void> {
  await sql`select pg_notify(${channel}, ${payload})`.execute(db)
}
