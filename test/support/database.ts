import { randomBytes } from 'node:crypto'
import { Client } from 'pg'
import { inject } from 'vitest'
import { clientConfig, type Database, type DatabaseOptions, openDatabase } from '../../src/storage/database/database.ts'

export const EMPTY_TEMPLATE = 'template_empty'
export const MIGRATED_TEMPLATE = 'template_migrated'

/**
 * A database of its own on the run's PostgreSQL server, migrated unless `migrated` is false; disposing drops it.
 * `options` are those of `openDatabase`; `onStatement` counts SQL statements.
 */
export async function openTestDatabase({
  migrated = true,
  ...options
}: Partial<DatabaseOptions> & { migrated?: boolean } = {}): Promise<Database> {
  const serverUrl = inject('postgresUrl')
  const name = `test_${process.pid}_${randomBytes(4).toString('hex')}`
  await administer(serverUrl, `create database ${name} template ${migrated ? MIGRATED_TEMPLATE : EMPTY_TEMPLATE}`)
  const database = openDatabase({ ...options, url: databaseUrl(serverUrl, name) })
  return {
    db: database.db,
    url: database.url,
    pool: database.pool,
    abandon: database.abandon,
    leave: database.leave,
    openReadView: database.openReadView,
    [Symbol.asyncDispose]: async () => {
      await database[Symbol.asyncDispose]()
      await administer(serverUrl, `drop database ${name} with (force)`)
    },
  }
}

/** The URL of another database of the same server. */
export function databaseUrl(serverUrl: string, name: string): string {
  const url = new URL(serverUrl)
  url.pathname = `/${name}`
  return url.href
}

async function administer(serverUrl: string, statement: string): Promise<void> {
  const client = new Client(clientConfig(serverUrl))
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}
