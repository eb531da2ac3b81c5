import type { Readable } from 'node:stream'
import { type Client, escapeIdentifier } from 'pg'
import { to as copyTo } from 'pg-copy-streams'
import { type AppliedMigration, readAppliedMigrations, readMigrations, requireKnown } from '../database/migrate.ts'
import { createdObjects } from './created-objects.ts'
import { openSession } from './session.ts'
import { listStoredTables, type StoredTable } from './table-list.ts'

/** All that is kept in the database, as it was at one instant. */
export interface Dump extends AsyncDisposable {
  readonly migrations: readonly AppliedMigration[]
  /** In the order in which they can be filled again. */
  readonly tables: readonly StoredTable[]
  readonly configVersion: number
  /** The id of the key that encrypts the stored secrets; null if unknown. */
  readonly encryptionKeyId: string | null
  /** e.g. `18.1` */
  readonly serverVersion: string
  /** The rows in PostgreSQL's text form (https://www.postgresql.org/docs/current/sql-copy.html); one table at a time. */
  readTable(table: StoredTable): Readable
  /** The values of the sequences. Read them last: sequences are outside the snapshot, and must not be behind it. */
  readSequences(): Promise<SequencePosition[]>
}

export interface SequencePosition {
  readonly name: string
  readonly lastValue: string
}

/**
 * Opens a snapshot of the database without blocking other work. Returns undefined if the database is empty. Throws `MigrationError` if
 * a newer release wrote it.
 */
export async function openDump(url: string, signal?: AbortSignal): Promise<Dump | undefined> {
  await using opened = new AsyncDisposableStack()
  const { client } = opened.use(await openSession(url, 'begin isolation level repeatable read read only', signal))
  const files = await readMigrations()
  const migrations = await readAppliedMigrations(client)
  if (migrations.length === 0) return undefined
  requireKnown(migrations, files)
  const tables = await listStoredTables(client, createdObjects(files))
  const facts = await readFacts(client)
  const stack = opened.move()
  return {
    ...facts,
    migrations,
    tables,
    readTable: (table) => client.query(copyTo(copyStatement(table))),
    readSequences: () => readSequences(client, tables),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

function copyStatement({ name, columns }: StoredTable): string {
  return `copy ${escapeIdentifier(name)} (${columns.map((column) => escapeIdentifier(column)).join(', ')}) to stdout`
}

async function readFacts(client: Client): Promise<Pick<Dump, 'configVersion' | 'encryptionKeyId' | 'serverVersion'>> {
  const { rows } = await client.query<{ version: number; server: string }>(
    `select version, current_setting('server_version') as server from config_version`,
  )
  const { rows: known } = await client.query<{ exists: boolean }>(
    `select to_regclass('installation') is not null as exists`,
  )
  const keyId = known[0]?.exists ? await readKeyId(client) : null
  return { configVersion: rows[0]!.version, serverVersion: rows[0]!.server, encryptionKeyId: keyId }
}

async function readKeyId(client: Client): Promise<string | null> {
  const { rows } = await client.query<{ id: string | null }>('select encryption_key_id as id from installation')
  return rows[0]?.id ?? null
}

async function readSequences(client: Client, tables: readonly StoredTable[]): Promise<SequencePosition[]> {
  const { rows } = await client.query<SequencePosition>(
    `select sequencename as name, last_value::text as "lastValue"
     from pg_sequences join pg_class on pg_class.relname = sequencename and pg_class.relnamespace = schemaname::regnamespace
       join pg_depend on pg_depend.objid = pg_class.oid and pg_depend.deptype in ('a', 'i')
     where schemaname = current_schema() and last_value is not null and pg_depend.refobjid::regclass::text = any ($1)
     order by sequencename collate "C"`,
    [tables.map(({ name, partition }) => partition?.of ?? name)],
  )
  return rows
}
