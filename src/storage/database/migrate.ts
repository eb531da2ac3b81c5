import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { sql } from 'kysely'
import { type ClientBase, DatabaseError } from 'pg'
import { breakConnection } from './break-connection.ts'
import { createConnection } from './database.ts'
import type { Db } from './db.ts'

export type MigrateOptions = {
  /** The database, as for `openDatabase`. */
  url: string
  /** Where `NNNN_name.sql` are; by default the project's own `migrations/`. */
  folder?: string
  /** Ends the connection at once; the server takes back what was not committed. */
  signal?: AbortSignal | undefined
}

/** The database cannot be brought to what this software needs; the message says why and what to do. */
export class MigrationError extends Error {
  override name = 'MigrationError'
}

/** A file of `migrations/`, and its content's SHA-256 in lower-case hex. */
export type AppliedMigration = { name: string; checksum: string }

/** A file of `migrations/` with its statements. */
export type Migration = AppliedMigration & { sql: string }

const MIGRATIONS_FOLDER = join(import.meta.dirname, '../../../migrations')

// Any number serves, as long as nobody else uses it in this database.
const LOCK = 7_302_118_945

/**
 * Runs what `migrations/` has and the database has not, each file in its own transaction, and returns the names of
 * those that it ran. Any number of processes may call it at once: they take turns, and each file is run once.
 *
 * Throws `MigrationError` if a file that was run has been changed since, if the database has been migrated by newer
 * software, or if a file fails; of a file that failed nothing stays.
 */
export async function migrate(options: MigrateOptions): Promise<string[]> {
  const migrations = await readMigrations(options.folder)
  const client = createConnection(options.url, 'signalbox migrate')
  // The query in flight fails too; without a listener the event would end the process first.
  client.on('error', () => undefined)
  const leave = () => {
    client.choice.close()
    breakConnection(client)
  }
  options.signal?.addEventListener('abort', leave)
  try {
    await client.connect()
    await createMigrationTable(client)
    return await runPending(client, migrations)
  } finally {
    options.signal?.removeEventListener('abort', leave)
    await client.end()
  }
}

/** The names of migrations that this software needs and that the database has not run. It may have run later ones. */
export async function listMissingMigrations(db: Db, folder: string = MIGRATIONS_FOLDER): Promise<string[]> {
  const applied = await listApplied(db)
  return (await readMigrations(folder)).map(({ name }) => name).filter((name) => !applied.has(name))
}

/** The names of migrations that the database has run and that this software does not know: a newer version has used it. */
export async function listUnknownMigrations(db: Db): Promise<string[]> {
  const known = new Set((await readMigrations()).map(({ name }) => name))
  return [...(await listApplied(db))].filter((name) => !known.has(name)).sort()
}

async function listApplied(db: Db): Promise<ReadonlySet<string>> {
  try {
    const { rows } = await sql<{ name: string }>`select name from migration`.execute(db)
    return new Set(rows.map(({ name }) => name))
  } catch (error) {
    // There is no such table before the first migration.
    if (error instanceof DatabaseError && error.code === '42P01') return new Set()
    throw error
  }
}

/**
 * Runs what `migrations` has and the database has not in the transaction that the client is in, and returns the names. Nobody else
 * can migrate until it ends. Throws `MigrationError` like `migrate`.
 */
export async function migrateInTransaction(client: ClientBase, migrations: readonly Migration[]): Promise<string[]> {
  await client.query('select pg_advisory_xact_lock($1)', [LOCK])
  await client.query(MIGRATION_TABLE)
  const ran: string[] = []
  for (let name = await runNext(client, migrations); name !== undefined; name = await runNext(client, migrations))
    ran.push(name)
  return ran
}

/** Throws `MigrationError` if these are not the first ones of `migrations`: another version has made them. */
export function requireKnown(applied: readonly AppliedMigration[], migrations: readonly Migration[]): void {
  for (const [index, row] of applied.entries()) requireSame(row, migrations[index])
}

/** What the database has, in its order; empty if it was never migrated. */
export async function readAppliedMigrations(client: ClientBase): Promise<AppliedMigration[]> {
  const { rows: found } = await client.query<{ exists: boolean }>(
    `select to_regclass('migration') is not null as exists`,
  )
  if (!found[0]?.exists) return []
  const { rows } = await client.query<AppliedMigration>(SELECT_APPLIED)
  return rows
}

async function runPending(client: ClientBase, migrations: readonly Migration[]): Promise<string[]> {
  const ran: string[] = []
  for (;;) {
    const name = await inLockedTransaction(client, () => runNext(client, migrations))
    if (name === undefined) return ran
    ran.push(name)
  }
}

/** Runs `work` in a transaction with the migration lock, which ends with the transaction even if the process dies. */
async function inLockedTransaction<T>(client: ClientBase, work: () => Promise<T>): Promise<T> {
  await client.query('begin')
  try {
    await client.query('select pg_advisory_xact_lock($1)', [LOCK])
    const result = await work()
    await client.query('commit')
    return result
  } catch (error) {
    // If the connection is gone the server has rolled back, and the first error is the one that matters.
    await client.query('rollback').catch(() => undefined)
    throw error
  }
}

const MIGRATION_TABLE = `
  create table if not exists migration (
    name text primary key,
    checksum text not null,
    applied_at timestamptz not null default now()
  )`

const SELECT_APPLIED = 'select name, checksum from migration order by name collate "C"'

async function createMigrationTable(client: ClientBase): Promise<void> {
  await inLockedTransaction(client, () => client.query(MIGRATION_TABLE))
}

async function runNext(client: ClientBase, migrations: readonly Migration[]): Promise<string | undefined> {
  const applied = await client.query<AppliedMigration>(SELECT_APPLIED)
  requireKnown(applied.rows, migrations)
  const next = migrations[applied.rows.length]
  if (!next) return undefined
  await client.query(next.sql).catch((error: unknown) => {
    // A server that is stopped in the meantime (class 57) says nothing about the file.
    if (!(error instanceof DatabaseError) || error.code?.startsWith('57')) throw error
    throw new MigrationError(`Migration ${next.name} failed: ${describe(error, next.sql)}`, { cause: error })
  })
  await client.query('insert into migration (name, checksum) values ($1, $2)', [next.name, next.checksum])
  return next.name
}

function requireSame(applied: AppliedMigration, file: Migration | undefined): void {
  if (!file || file.name > applied.name) {
    throw new MigrationError(
      `The database has migration ${applied.name}, which this version of Signalbox does not know: ` +
        'a newer version has used it. Start that version, or restore a backup from before.',
    )
  }
  if (file.name < applied.name) {
    throw new MigrationError(
      `Migration ${file.name} was never run, but ${applied.name} after it was. Give it a number after the last one.`,
    )
  }
  if (file.checksum !== applied.checksum) {
    throw new MigrationError(
      `Migration ${file.name} was changed after it had been run. Take its change back, and write a new migration.`,
    )
  }
}

/** The files of the folder, by default of the project's own `migrations/`, in their order. Throws `MigrationError` if one has a wrong name. */
export async function readMigrations(folder: string = MIGRATIONS_FOLDER): Promise<Migration[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.sql')).sort()
  for (const [index, name] of names.entries()) requireNumbered(name, names[index - 1])
  return Promise.all(names.map((name) => readMigration(folder, name)))
}

function requireNumbered(name: string, previous: string | undefined): void {
  if (!/^\d{4}_[a-z0-9_]+\.sql$/.test(name)) {
    throw new MigrationError(`${name} in migrations/ is not named like 0001_what_it_does.sql.`)
  }
  if (previous?.slice(0, 4) === name.slice(0, 4)) {
    throw new MigrationError(`Two migrations have the same number: ${previous} and ${name}.`)
  }
}

async function readMigration(folder: string, name: string): Promise<Migration> {
  // Git may check out CRLF: the same migration must not look like a changed one.
  const sql = (await readFile(join(folder, name), 'utf8')).replaceAll('\r\n', '\n')
  return { name, sql, checksum: createHash('sha256').update(sql).digest('hex') }
}

function describe(error: DatabaseError, sql: string): string {
  if (!error.position) return error.message
  const line = sql.slice(0, Number(error.position)).split('\n').length
  return `${error.message} (line ${line})`
}
