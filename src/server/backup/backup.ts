import { Readable, type Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { constants, createZstdCompress } from 'node:zlib'
import { type Dump, openDump } from '../../storage/backup/dump.ts'
import type { Config } from '../configuration/config.ts'
import { hasDatabase, openDatabaseServer } from '../database/database-server.ts'
import { openEncryptionKeys } from '../configuration/encryption-keys.ts'
import type { Log } from '../log/log.ts'
import { StartError } from '../start-error.ts'
import { writeArchive } from './archive.ts'
import { openWholeFile } from './whole-file.ts'

export interface BackupOptions {
  readonly config: Config
  readonly log: Log
  /** Of this software. */
  readonly version: string
  readonly includesEncryptionKey: boolean
  readonly onRows?: (tableName: string, bytes: number) => void
  readonly signal?: AbortSignal | undefined
}

/** What was written. */
export interface BackupReport {
  readonly configVersion: number
  readonly tables: number
  /** Before they were compressed. */
  readonly bytes: number
}

/**
 * Writes all that the database holds, as it was at one instant, to the file, or to the stream. The file gets its name when all of it is on
 * disk; an error or `signal` before that leaves nothing. Throws an error with the code `EEXIST` if there is a file of that name.
 */
export async function backUp(
  target: { readonly path: string; readonly replaces: boolean } | Writable,
  options: BackupOptions,
): Promise<BackupReport> {
  await requireDatabase(options.config)
  await using server = await openDatabaseServer(options.config, options.log)
  await using dump = await openDump(server.url, options.signal)
  if (!dump) throw nothingThere()
  if ('write' in target) return await writeTo(dump, target, options)
  await using file = await openWholeFile(target.path, target)
  const report = await writeTo(dump, file.writeAll, options)
  await file.keep()
  return report
}

/** Throws `StartError` if there is none. */
export async function requireDatabase(config: Config): Promise<void> {
  if (!(await hasDatabase(config))) throw nothingThere()
}

export function nothingThere(): StartError {
  return new StartError(
    'There is nothing to back up: the database is empty. Is SIGNALBOX_DATA_DIR, or DATABASE_URL, the one of the installation?',
  )
}

type Sink = (bytes: AsyncIterable<Buffer>) => Promise<void>

async function writeTo(dump: Dump, target: Writable | Sink, options: BackupOptions): Promise<BackupReport> {
  const { config, includesEncryptionKey, onRows, signal } = options
  const keys = includesEncryptionKey ? await openEncryptionKeys(config.dataDir, config.encryptionKeys) : []
  let bytes = 0
  const archive = writeArchive(dump, {
    version: options.version,
    now: new Date(),
    encryptionKeys: keys.map((key) => key.toString('base64')),
    onRows(tableName, length) {
      bytes += length
      onRows?.(tableName, length)
    },
  })
  const compress = createZstdCompress({ params: { [constants.ZSTD_c_checksumFlag]: 1 } })
  await pipeline(Readable.from(archive), compress, target, { signal })
  return { configVersion: dump.configVersion, tables: dump.tables.length, bytes }
}
