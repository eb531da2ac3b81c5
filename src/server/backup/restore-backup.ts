import { createReadStream } from 'node:fs'
import type { Readable } from 'node:stream'
import { createZstdDecompress } from 'node:zlib'
import type { Config } from '../configuration/config.ts'
import { openDatabaseServer } from '../database/database-server.ts'
import type { Log } from '../log/log.ts'
import { ArchiveError } from './frame.ts'
import { restoreInto, type RestoreOptions, type RestoreReport } from './restore.ts'
import { ensureRestoredKey } from './restored-key.ts'

export interface RestoreBackupOptions extends Pick<RestoreOptions, 'replaces' | 'onRows' | 'signal'> {
  readonly config: Config
  readonly log: Log
}

/**
 * Fills the database of the configuration from a backup: a file, or a stream. Throws like `restoreInto`, and `StartError` if the encryption key
 * is missing; then the database is as it was.
 */
export function restoreBackup(
  source: { readonly path: string } | Readable,
  options: RestoreBackupOptions,
): Promise<RestoreReport> {
  return restoreArchive(decompress('pipe' in source ? source : createReadStream(source.path)), options)
}

/** The same from an archive that is not compressed. */
export async function restoreArchive(
  bytes: AsyncIterable<Buffer>,
  { config, log, ...options }: RestoreBackupOptions,
): Promise<RestoreReport> {
  await using undo = new AsyncDisposableStack()
  await using opened = new AsyncDisposableStack()
  const report = await restoreInto(bytes, {
    ...options,
    async prepare({ encryptionKeyId }, keys) {
      undo.defer(await ensureRestoredKey(config, encryptionKeyId, keys))
      return opened.use(await openDatabaseServer(config, log)).url
    },
  })
  undo.move()
  return report
}

async function* decompress(source: Readable): AsyncGenerator<Buffer> {
  const zstd = createZstdDecompress()
  source.on('error', (error) => zstd.destroy(error)).pipe(zstd)
  try {
    yield* zstd
  } catch (error) {
    throw describeDamage(error as NodeJS.ErrnoException)
  } finally {
    source.destroy()
  }
}

function describeDamage(error: NodeJS.ErrnoException): Error {
  if (error.code === 'Z_BUF_ERROR') return new ArchiveError('It breaks off.', { cause: error })
  if (error.code?.startsWith('Z'))
    return new ArchiveError('It is damaged, or no backup of Signalbox.', { cause: error })
  return error
}
