import { once } from 'node:events'
import type { Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import type { SequencePosition } from '../../storage/backup/dump.ts'
import { type Load, openLoad } from '../../storage/backup/load.ts'
import type { StoredTable } from '../../storage/backup/table-list.ts'
import { type ArchiveHeader, type ArchivePart, readArchive } from './archive.ts'
import { ArchiveError } from './frame.ts'

export interface RestoreOptions {
  /** Replaces what Signalbox has in the database. */
  readonly replaces: boolean
  /** Returns the URL of the database. Called before anything is changed, with the encryption keys of the archive, as base64. */
  readonly prepare: (header: ArchiveHeader, encryptionKeys: readonly string[]) => Promise<string>
  readonly onRows?: (tableName: string, bytes: number) => void
  readonly signal?: AbortSignal | undefined
}

export interface RestoreReport {
  readonly configVersion: number
  readonly tables: number
  readonly createdAt: string
  /** The migrations that were run. */
  readonly migrated: readonly string[]
}

/**
 * Fills the database from the bytes of a backup, in one transaction: an error, a byte that is not as it was written, or `signal` leave it as it
 * was. Throws `ArchiveError`, `NotEmptyError`, `DumpError` or `MigrationError`.
 */
export async function restoreInto(bytes: AsyncIterable<Buffer>, options: RestoreOptions): Promise<RestoreReport> {
  const parts = readArchive(bytes)
  const { header, encryptionKeys, next } = await readBeginning(parts)
  const url = await options.prepare(header, encryptionKeys)
  await using load = await openLoad({ ...options, url, migrations: header.migrations, tables: header.tables })
  const sequences = await fill(load, next, parts, options).catch(explainRefusal)
  const migrated = await load.finish(sequences)
  return {
    configVersion: header.configVersion + 1,
    tables: header.tables.length,
    createdAt: header.createdAt,
    migrated,
  }
}

/** Rows that a server wrote, and that it does not take back (SQLSTATE 22… and 23…), are not what it wrote. */
function explainRefusal(error: Error & { readonly code?: string }): never {
  throw /^2[23]/.test(error.code ?? '') ? new ArchiveError('It is damaged.', { cause: error }) : error
}

interface Beginning {
  readonly header: ArchiveHeader
  readonly encryptionKeys: readonly string[]
  readonly next: ArchivePart
}

async function readBeginning(parts: AsyncGenerator<ArchivePart>): Promise<Beginning> {
  const first = await take(parts)
  if (first.kind !== 'header') throw new ArchiveError('It is damaged.')
  const second = await take(parts)
  if (second.kind !== 'keys') return { header: first.header, encryptionKeys: [], next: second }
  return { header: first.header, encryptionKeys: second.keys, next: await take(parts) }
}

async function take(parts: AsyncGenerator<ArchivePart>): Promise<ArchivePart> {
  const { value, done } = await parts.next()
  if (done) throw new ArchiveError('It breaks off.')
  return value
}

async function fill(
  load: Load,
  first: ArchivePart,
  rest: AsyncGenerator<ArchivePart>,
  { onRows }: RestoreOptions,
): Promise<readonly SequencePosition[]> {
  let filling: Filling | undefined
  let sequences: readonly SequencePosition[] = []
  for (let part = first; part.kind !== 'end'; part = await take(rest)) {
    if (part.kind === 'rows') {
      await filling?.write(part.rows)
      onRows?.(filling?.name ?? '', part.rows.length)
    } else await filling?.end()
    if (part.kind === 'table') filling = openFilling(load, part.table)
    if (part.kind === 'sequences') [filling, sequences] = [undefined, part.sequences]
  }
  // Nothing may follow the end, and the whole input must be read before the database commits.
  if (!(await rest.next()).done) throw new ArchiveError('It is damaged.')
  return sequences
}

interface Filling {
  readonly name: string
  write(rows: Buffer): Promise<void>
  end(): Promise<void>
}

/** Sends the rows of one table to the server, no faster than the server accepts them. */
function openFilling(load: Load, table: StoredTable): Filling {
  const stream: Writable = load.fillTable(table)
  let failure: Error | undefined
  stream.on('error', (error) => (failure ??= error))
  const check = () => {
    if (failure) throw failure
  }
  return {
    name: table.name,
    async write(rows) {
      check()
      if (!stream.write(rows)) await once(stream, 'drain')
    },
    async end() {
      check()
      stream.end()
      await finished(stream)
    },
  }
}
