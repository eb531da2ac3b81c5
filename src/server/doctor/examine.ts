import { join } from 'node:path'
import { openDatabase } from '../../storage/database/database.ts'
import { createSecretBox, type SecretBox } from '../../storage/secret/box.ts'
import type { Config } from '../configuration/config.ts'
import { findEncryptionKeys } from '../configuration/encryption-keys.ts'
import { openDatabaseServer } from '../database/database-server.ts'
import { pathExists } from '../files/path-exists.ts'
import { readLastGoodSnapshot } from '../following/last-good-snapshot.ts'
import type { Log } from '../log/log.ts'
import { StartError } from '../start-error.ts'
import { createUpstreamPolicy, isLoopbackHost } from '../upstream/policy.ts'
import { examineDataFolder } from './data-folder.ts'
import { examineServer } from './database.ts'
import { fail, type Finding, ok, warn } from './finding.ts'
import { examineInstallation } from './installation.ts'
import { examinePorts } from './ports.ts'

/**
 * Looks at all that `serve` needs, and changes nothing; an embedded database that does not run is started for the while. Throws only what is
 * a fault of this software.
 */
export async function examine(config: Config, log: Log, version: string): Promise<Finding[]> {
  const { dataDir } = config
  const before = [
    ok('node', `Node ${process.versions.node}.`),
    ...(await examineDataFolder(dataDir)),
    ...(await examinePorts(config)),
  ]
  const key = await openBox(config)
  if (key instanceof StartError)
    return [...before, fail('encryption-key', key.message, 'Put the file back from a backup.')]
  return [
    ...before,
    ...(await examineDatabase(config, { box: key, log, version })),
    ...(await examineLastGood(config, key)),
  ]
}

/** Undefined if there is no key. */
async function openBox({ dataDir, encryptionKeys }: Config): Promise<SecretBox | StartError | undefined> {
  try {
    const [first, ...others] = await findEncryptionKeys(dataDir, encryptionKeys)
    return first && createSecretBox([first, ...others])
  } catch (error) {
    if (error instanceof StartError) return error
    throw error
  }
}

interface Means {
  readonly box: SecretBox | undefined
  readonly log: Log
  readonly version: string
}

async function examineDatabase(config: Config, { box, log, version }: Means): Promise<Finding[]> {
  if (config.databaseUrl === undefined) {
    if (!(await pathExists(join(config.dataDir, 'postgres', 'PG_VERSION'))))
      return [ok('database', 'There is none yet: the first start makes an embedded one.')]
    if (!box) return [missingKey(config.dataDir)]
  }
  try {
    await using server = await openDatabaseServer(config, log)
    const { findings, isReachable } = await examineServer(server.url, config.databaseNamedStatements)
    if (!isReachable) return [...findings]
    await using database = openDatabase({
      url: server.url,
      maxConnections: 2,
      usesNamedStatements: false,
      applicationName: 'signalbox doctor',
    })
    const policy = createUpstreamPolicy({ allow: config.upstreamAllow, apiIsLoopback: isLoopbackHost(config.api.host) })
    return [...findings, ...(await examineInstallation(database.db, { box, policy, version }))]
  } catch (error) {
    return [describeFailure(error)]
  }
}

function missingKey(dataDir: string): Finding {
  return fail(
    'encryption-key',
    `${join(dataDir, 'encryption-key')} is missing, and the database beside it has secrets that only its key can open.`,
    'Put it back from a backup, or set SIGNALBOX_ENCRYPTION_KEY to the key that was used.',
  )
}

function describeFailure(error: unknown): Finding {
  const { message, code } = error as { message: string; code?: string }
  if (error instanceof StartError) return fail('database', message, 'See the log of the embedded database.')
  if (code === '42501')
    return fail(
      'database.rights',
      `The database user lacks a right: ${message}.`,
      'The command grants prints what a gateway needs; run its SQL again.',
    )
  if (code === undefined) throw error
  return fail('database', `The database said: ${message} (${code}).`, 'See its log.')
}

/** A gateway starts from it while its database is away. With an embedded database there is nothing to bridge. */
async function examineLastGood({ databaseUrl, dataDir }: Config, box: SecretBox | undefined): Promise<Finding[]> {
  const check = 'last-good-snapshot'
  const path = join(dataDir, check)
  if (databaseUrl === undefined || !box) return []
  if (!(await pathExists(path))) return [ok(check, `There is none in ${dataDir} yet.`)]
  const readable = await readLastGoodSnapshot(dataDir, box, silent)
  if (readable) return [ok(check, `Version ${readable.version} of the configuration is in ${dataDir}.`)]
  return [
    warn(
      check,
      `${path} cannot be read with this encryption key, or is damaged.`,
      'Without the database no gateway starts here. The next start with the database writes it anew.',
    ),
  ]
}

const silent = { debug: () => undefined, warn: () => undefined }
