import type { PostgresPool, PostgresPoolClient } from 'kysely'
import type { Pool, PoolClient } from 'pg'
import { cancelStatement } from './cancel-statement.ts'
import type { Db } from './db.ts'

/**
 * One snapshot of the database for all reads: a read-only transaction on a separate connection, which is taken with the first
 * statement. A statement that fails ends the transaction; later reads see another snapshot.
 */
export interface ReadView {
  readonly db: Db
  /** Returns the connection. Later reads take a new connection and see a new snapshot. */
  close(): void
  /** Ends the running statement and its connection, because its answer is no longer needed. */
  abort(): void
}

const begin = 'begin isolation level repeatable read read only'

export function openReadView(pool: Pool, kyselyOf: (pool: PostgresPool) => Db): ReadView {
  let opening: Promise<PoolClient> | undefined
  let isRunning = false
  let isAborted = false
  /** A connection runs one statement at a time. */
  let turn: Promise<unknown> = Promise.resolve()
  const inTurn = <T>(step: () => Promise<T>): Promise<T> => {
    const ran = turn.then(step)
    turn = ran.catch(() => undefined)
    return ran
  }

  const open = async () => {
    const client = await pool.connect()
    try {
      await client.query(begin)
      return client
    } catch (error) {
      client.release(error as Error)
      throw error
    }
  }
  const run = async (client: PoolClient, args: unknown[]) => {
    if (isAborted) throw new Error('The client has left.')
    isRunning = true
    try {
      return await client.query(...(args as [string]))
    } catch (error) {
      // The transaction has ended, so the next read begins another one. A broken connection stays broken.
      await client.query('rollback').then(
        () => client.query(begin),
        () => undefined,
      )
      throw error
    } finally {
      isRunning = false
    }
  }
  const connect = async (): Promise<PostgresPoolClient> => {
    if (isAborted) throw new Error('The client has left.')
    opening ??= open()
    const client = await opening.catch((error: unknown) => {
      opening = undefined
      throw error
    })
    return { query: (...args: unknown[]) => inTurn(() => run(client, args)), release: () => undefined } as never
  }
  return {
    db: kyselyOf({ connect, end: () => Promise.resolve(), options: pool.options }),
    close() {
      const closing = opening
      opening = undefined
      void closing?.then(
        (client) =>
          inTurn(() => client.query('commit')).then(
            () => client.release(),
            (error: unknown) => client.release(error as Error),
          ),
        () => undefined,
      )
    },
    abort() {
      isAborted = true
      if (isRunning) void opening?.then(cancelStatement, () => undefined)
    },
  }
}
