import type { Client } from 'pg'
import { breakConnection } from '../database/break-connection.ts'
import { createConnection } from '../database/database.ts'
import { DatabaseAwayError, isAway } from '../database/is-away.ts'

/** A connection that is in one transaction from its first statement on. Disposing rolls back what was not committed. */
export interface TransactionSession extends AsyncDisposable {
  readonly client: Client
  /** Ends the transaction, and what was done stays. */
  commit(): Promise<void>
}

/**
 * Opens it. Values are written and read in one form, whatever the server's settings are; nothing is cut off for its time. `signal` ends
 * the connection at once, and the server then rolls back. Throws `DatabaseAwayError` if the server does not answer.
 */
export async function openSession(url: string, begin: string, signal?: AbortSignal): Promise<TransactionSession> {
  signal?.throwIfAborted()
  const client = createConnection(url, 'signalbox backup')
  // The query in flight fails too; without a listener the event would end the process first.
  client.on('error', () => undefined)
  const breakOff = () => breakConnection(client)
  await client.connect().catch((error: Error) => {
    throw isAway(error)
      ? new DatabaseAwayError(`The database cannot be reached: ${error.message}`, { cause: error })
      : error
  })
  signal?.addEventListener('abort', breakOff, { once: true })
  try {
    await client.query(begin)
    await client.query(settings)
  } catch (error) {
    await client.end().catch(() => undefined)
    throw error
  }
  return {
    client,
    commit: async () => void (await client.query('commit')),
    async [Symbol.asyncDispose]() {
      signal?.removeEventListener('abort', breakOff)
      await client.end().catch(() => undefined)
    },
  }
}

/** For this transaction only, because a pooler gives the connection to other clients afterwards. */
const settings = `
  set local statement_timeout = 0;
  set local idle_in_transaction_session_timeout = 0;
  set local timezone = 'UTC';
  set local datestyle = 'ISO, YMD';
  set local intervalstyle = 'postgres';
  set local extra_float_digits = 1;
  set local bytea_output = 'hex';
  set local client_encoding = 'UTF8'`
