import { openDump } from '../../storage/backup/dump.ts'
import type { Config } from '../configuration/config.ts'
import type { Log } from '../log/log.ts'
import { openEmbeddedPostgres } from '../postgres/embedded-postgres.ts'
import { findRunningPostgres } from '../postgres/running-postgres.ts'
import { writeArchive } from './archive.ts'
import { nothingThere, requireDatabase } from './backup.ts'
import type { RestoreOptions, RestoreReport } from './restore.ts'
import { restoreArchive } from './restore-backup.ts'

export interface MoveOptions extends Pick<RestoreOptions, 'replaces' | 'onRows' | 'signal'> {
  /** Of the installation with the embedded database: without a `databaseUrl`. */
  readonly config: Config
  /** Of the database that it moves to. */
  readonly url: string
  readonly log: Log
  /** Of this software. */
  readonly version: string
}

/** A server runs in the data folder: what it writes while its database is copied would be lost. */
export class RunningError extends Error {
  override name = 'RunningError'
}

/**
 * Copies all that the embedded database holds into another one, in one transaction there; the embedded one stays as it is. It cannot be
 * started by others meanwhile. Throws `RunningError`, and like `restoreBackup`; then the other database is as it was.
 */
export async function move({ config, url, log, version, ...options }: MoveOptions): Promise<RestoreReport> {
  await requireDatabase(config)
  if ((await findRunningPostgres(config.dataDir)) !== undefined)
    throw new RunningError(`Signalbox runs in ${config.dataDir}, and what it writes from now on would be lost.`)
  await using server = await openEmbeddedPostgres({ dataDir: config.dataDir, log })
  await using dump = await openDump(server.url, options.signal)
  if (!dump) throw nothingThere()
  const archive = writeArchive(dump, { version, now: new Date(), encryptionKeys: [] })
  return await restoreArchive(archive, { ...options, config: { ...config, databaseUrl: url }, log })
}
