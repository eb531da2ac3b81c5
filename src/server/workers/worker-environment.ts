import { readFileSync } from 'node:fs'
import { parseEnv } from 'node:util'
import { type Config } from '../configuration/config.ts'
import { openEncryptionKeys } from '../configuration/encryption-keys.ts'
import { findRunningPostgres } from '../postgres/running-postgres.ts'

/** Variables; undefined: it is not to be set. */
export type Variables = Readonly<Record<string, string | undefined>>

/**
 * The settings of an env file (`NAME=value` lines), over those of the environment. Throws if there is a file and it cannot be read.
 */
export function readSettings(environment: Variables, file: string | undefined): Variables {
  if (!file) return environment
  return { ...environment, ...parseEnv(readFileSync(file, 'utf8')) }
}

/** What a worker needs to use the embedded PostgreSQL of its primary; empty with an external database. */
export async function embeddedDatabaseVariables(config: Config): Promise<Variables> {
  if (config.databaseUrl !== undefined) return {}
  const [key] = await openEncryptionKeys(config.dataDir, config.encryptionKeys)
  return {
    DATABASE_URL: await findRunningPostgres(config.dataDir),
    SIGNALBOX_ENCRYPTION_KEY: key.toString('base64'),
    SIGNALBOX_DATABASE_NAMED_STATEMENTS: 'true',
  }
}

/** Names that are only in `before` are unset, because a child inherits every other variable. */
export function workerEnvironment(before: Variables, settings: Variables, database: Variables): Variables {
  const unset = Object.fromEntries(Object.keys(before).map((name) => [name, undefined]))
  // Those of the driver mean another server than the embedded one.
  const isForeign = (name: string) => database['DATABASE_URL'] !== undefined && name.startsWith('PG')
  const given = Object.fromEntries(Object.entries(settings).filter(([name]) => !isForeign(name)))
  return { ...unset, ...given, ...database, SIGNALBOX_ROLE: 'gateway', SIGNALBOX_WORKERS: undefined }
}
