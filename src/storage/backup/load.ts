import type { Writable } from 'node:stream'
import { type Client, escapeIdentifier } from 'pg'
import { from as copyFrom } from 'pg-copy-streams'
import {
  type AppliedMigration,
  migrateInTransaction,
  type Migration,
  readAppliedMigrations,
  readMigrations,
  requireKnown,
} from '../database/migrate.ts'
import { createdObjects, type CreatedObjects } from './created-objects.ts'
import type { SequencePosition } from './dump.ts'
import { openSession } from './session.ts'
import { listStoredTables, type StoredTable } from './table-list.ts'

/** A database that is being filled. The rows become visible with `finish`; disposing before that leaves the database unchanged. */
export interface Load extends AsyncDisposable {
  /** Takes the rows of one table, in the form that `Dump.readTable` gives; one table at a time. */
  fillTable(table: StoredTable): Writable
  /** Brings what was filled in to this version, and commits. Returns the migrations that were run for that. */
  finish(sequences: readonly SequencePosition[]): Promise<string[]>
}

/** The database already contains data of Signalbox. */
export class NotEmptyError extends Error {
  override name = 'NotEmptyError'
}

/** The tables of the dump do not match its migrations. */
export class DumpError extends Error {
  override name = 'DumpError'
}

export interface LoadOptions {
  readonly url: string
  /** The migrations of the dump, which are run first. */
  readonly migrations: readonly AppliedMigration[]
  readonly tables: readonly StoredTable[]
  /** Whether to replace the data of Signalbox in the database. Tables of other software stay. */
  readonly replaces: boolean
  readonly signal?: AbortSignal | undefined
}

/**
 * Prepares the tables. Throws `NotEmptyError` if Signalbox has something in the database and `replaces` is false, `MigrationError` if
 * a newer version made the dump or what would be replaced, `DumpError` if the dump's tables are others than its migrations make.
 */
export async function openLoad({ url, migrations, tables, replaces, signal }: LoadOptions): Promise<Load> {
  await using opened = new AsyncDisposableStack()
  const files = await readMigrations()
  requireKnown(migrations, files)
  const session = opened.use(await openSession(url, 'begin', signal))
  const { client } = session
  await emptyDatabase(client, files, replaces)
  await migrateInTransaction(client, files.slice(0, migrations.length))
  await prepareTables(client, tables, createdObjects(files))
  const stack = opened.move()
  return {
    fillTable: (table) => client.query(copyFrom(copyStatement(table))),
    async finish(sequences) {
      await setSequences(client, sequences)
      await setTriggers(client, tables, 'enable')
      // A table whose rows wait for a check cannot be altered.
      await client.query('set constraints all immediate')
      await makeNewVersion(client)
      const ran = await migrateInTransaction(client, files)
      await forgetSpools(client)
      await session.commit()
      if (replaces) await endOtherConnections(client)
      return ran
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

/**
 * Marks the spools of gateways from the time of the backup as forgotten, so that nothing waits for their usage. A gateway that still
 * runs reports again and removes the mark.
 */
async function forgetSpools(client: Client): Promise<void> {
  await client.query('update usage_progress set forgotten_at = coalesce(forgotten_at, now())')
}

async function emptyDatabase(client: Client, files: readonly Migration[], replaces: boolean): Promise<void> {
  const applied = await readAppliedMigrations(client)
  requireKnown(applied, files)
  const created = createdObjects(files)
  const present = await listPresent(client, [...created.tables, 'migration'])
  if (present.length === 0) return
  if (!replaces) throw new NotEmptyError(`The database has tables already: ${present.slice(0, 5).join(', ')}, …`)
  await dropAll(client, present, created)
}

async function listPresent(client: Client, names: readonly string[]): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `select relname as name from pg_class
     where relnamespace = current_schema()::regnamespace and relkind in ('r', 'p') and relname = any ($1)
     order by relname collate "C"`,
    [names],
  )
  return rows.map(({ name }) => name)
}

/**
 * Drops all tables. `lock_timeout` ends the wait if another process holds a lock for long: every other query would queue behind this
 * one.
 */
async function dropAll(client: Client, tables: readonly string[], created: CreatedObjects): Promise<void> {
  await client.query(`set local lock_timeout = '30s'`)
  await client.query(`drop table ${tables.map((name) => escapeIdentifier(name)).join(', ')} cascade`)
  const { rows } = await client.query<{ routine: string }>(
    `select oid::regprocedure::text as routine from pg_proc
     where pronamespace = current_schema()::regnamespace and proname = any ($1)`,
    [[...created.routines]],
  )
  for (const { routine } of rows) await client.query(`drop routine if exists ${routine} cascade`)
  for (const name of created.types) await client.query(`drop type if exists ${escapeIdentifier(name)} cascade`)
  for (const name of created.domains) await client.query(`drop domain if exists ${escapeIdentifier(name)} cascade`)
}

/** Migrations put first rows into some tables: those of the dump take their place. */
async function prepareTables(client: Client, tables: readonly StoredTable[], created: CreatedObjects): Promise<void> {
  const made = await listStoredTables(client, created)
  for (const table of tables) await requireTable(client, table, made)
  if (made.length > 0)
    await client.query(`truncate ${made.map(({ name }) => escapeIdentifier(name)).join(', ')} cascade`)
  await setTriggers(client, tables, 'disable')
}

async function requireTable(client: Client, table: StoredTable, made: readonly StoredTable[]): Promise<void> {
  if (made.some(({ name }) => name === table.name)) return
  const { partition } = table
  const isPartition = partition !== null && made.every(({ name }) => name !== partition.of) && isBound(partition.bound)
  if (!isPartition) throw new DumpError(`It has a table ${table.name}, which none of its migrations makes.`)
  await client.query(
    `create table ${escapeIdentifier(table.name)} partition of ${escapeIdentifier(partition.of)} ${partition.bound}`,
  )
}

/** Whether the text is a partition bound as PostgreSQL prints it. Any other text could be a statement injected through the file. */
function isBound(text: string): boolean {
  return /^(DEFAULT|FOR VALUES (IN \(VALUE(, VALUE)*\)|FROM \(VALUE(, VALUE)*\) TO \(VALUE(, VALUE)*\)))$/.test(
    text.replaceAll(/'[^'\\]*'|-?\d+|MINVALUE|MAXVALUE/g, 'VALUE'),
  )
}

function copyStatement({ name, columns }: StoredTable): string {
  return `copy ${escapeIdentifier(name)} (${columns.map((column) => escapeIdentifier(column)).join(', ')}) from stdin`
}

/** Turns triggers off or on: the rows already contain what triggers added when they were first inserted. */
async function setTriggers(client: Client, tables: readonly StoredTable[], state: 'enable' | 'disable'): Promise<void> {
  for (const { name } of tables) await client.query(`alter table ${escapeIdentifier(name)} ${state} trigger user`)
}

async function setSequences(client: Client, sequences: readonly SequencePosition[]): Promise<void> {
  for (const { name, lastValue } of sequences)
    await client.query('select setval(quote_ident($1)::regclass, $2::bigint)', [name, lastValue])
}

/**
 * Creates a version with a new token. Gateways notice that the version they serve is not in this history, and versions from after the
 * dump are not mistaken for new ones with the same number.
 */
async function makeNewVersion(client: Client): Promise<void> {
  // Two statements: the trigger that copies the token sees what the first one has made.
  await client.query('update config_version set version = version + 1, committed_at = clock_timestamp()')
  await client.query(`
    insert into config_change (version, committed_at, actor_id, subject_ids)
    select version, committed_at, 'system:restore', '{}' from config_version`)
}

/** Ends other connections, which still refer to the dropped tables; their owners reconnect. */
async function endOtherConnections(client: Client): Promise<void> {
  await client.query(`
    select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and usename = current_user and pid <> pg_backend_pid()
      and application_name like 'signalbox%'`)
}
