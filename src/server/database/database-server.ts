import { join } from 'node:path'
import type { Config } from '../configuration/config.ts'
import { openEmbeddedPostgres } from '../postgres/embedded-postgres.ts'
import { pathExists } from '../files/path-exists.ts'
import type { Log } from '../log/log.ts'
import { findRunningPostgres } from '../postgres/running-postgres.ts'

/** The server that the configuration names. */
export interface OpenDatabaseServer extends AsyncDisposable {
  /** It may hold a password: not for logs. */
  readonly url: string
}

/** That of `DATABASE_URL`, which is not asked; or the embedded one, which is started unless another process runs it. */
export async function openDatabaseServer(
  { databaseUrl, dataDir }: Config,
  log: Pick<Log, 'debug' | 'warn' | 'error'> & Partial<Pick<Log, 'info'>>,
): Promise<OpenDatabaseServer> {
  const url = databaseUrl ?? (await findRunningPostgres(dataDir))
  if (url === undefined) return openEmbeddedPostgres({ dataDir, log })
  return { url, [Symbol.asyncDispose]: async () => undefined }
}

/** Whether an embedded database exists: starting a server without one would create an empty database. */
export async function hasDatabase({ databaseUrl, dataDir }: Config): Promise<boolean> {
  return databaseUrl !== undefined || pathExists(join(dataDir, 'postgres'))
}
