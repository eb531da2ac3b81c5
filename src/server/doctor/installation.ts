import { setTimeout as sleep } from 'node:timers/promises'
import { compileSnapshot } from '../../routing/config/compile.ts'
import type { Snapshot } from '../../routing/config/snapshot.ts'
import { getConfigVersion } from '../../storage/change/version.ts'
import { loadConfiguration } from '../../storage/config/load.ts'
import type { Db } from '../../storage/database/db.ts'
import { listMissingMigrations, listUnknownMigrations } from '../../storage/database/migrate.ts'
import { type GatewayRow, isGateway, listProcesses, serves } from '../../storage/gateway/write.ts'
import { type SecretBox, SecretBoxError } from '../../storage/secret/box.ts'
import { getEncryptionKeyId } from '../../storage/secret/installation.ts'
import { listForbiddenUpstreams } from '../upstream/forbidden-upstreams.ts'
import type { UpstreamPolicy } from '../upstream/policy.ts'
import { fail, type Finding, ok, warn } from './finding.ts'

const maxNamed = 5
/** Longer than the time between two heartbeats. */
const settleMs = 3_000

/** Checks the content of the database. `box` is undefined if there is no encryption key. */
export async function examineInstallation(
  db: Db,
  {
    box,
    policy,
    version,
  }: { readonly box: SecretBox | undefined; readonly policy: UpstreamPolicy; readonly version: string },
): Promise<Finding[]> {
  const migrations = await examineMigrations(db)
  if (migrations.state !== 'ok') return [migrations]
  const key = await examineKey(db, box)
  const processes = await examineProcesses(db, version)
  if (!box || key.state === 'fail') return [migrations, key, processes]
  return [migrations, key, ...(await examineConfiguration(db, box, policy)), processes]
}

async function examineMigrations(db: Db): Promise<Finding> {
  const [missing, unknown] = [await listMissingMigrations(db), await listUnknownMigrations(db)]
  if (unknown.length > 0)
    return fail(
      'database.migrations',
      `A newer version of Signalbox has used the database: ${shortList(unknown)} ${unknown.length === 1 ? 'is' : 'are'} not known here.`,
      'Start that version, or restore a backup from before.',
    )
  if (missing.length > 0)
    return warn(
      'database.migrations',
      `The database lacks ${shortList(missing)}.`,
      'The next start of `serve` with the role all or control runs them, or the command migrate.',
    )
  return ok('database.migrations', 'All migrations of this version have been run.')
}

async function examineKey(db: Db, box: SecretBox | undefined): Promise<Finding> {
  const check = 'encryption-key'
  const id = await getEncryptionKeyId(db)
  if (!box)
    return fail(
      check,
      'There is no encryption key.',
      'Put the file encryption-key back into the data folder, or set SIGNALBOX_ENCRYPTION_KEY.',
    )
  if (id === null || id === box.keyIds[0]) return ok(check, 'The encryption key is the one of the installation.')
  if (box.keyIds.includes(id))
    return warn(
      check,
      'The installation still uses the encryption key before this one.',
      'Once every process has the new key, run rotate-encryption-key.',
    )
  return fail(
    check,
    'The stored secrets are encrypted with another key than the one that is here.',
    'Set SIGNALBOX_ENCRYPTION_KEY to the key that was used; to change it, set that one as SIGNALBOX_ENCRYPTION_KEY_PREVIOUS.',
  )
}

async function examineConfiguration(db: Db, box: SecretBox, policy: UpstreamPolicy): Promise<Finding[]> {
  const check = 'configuration'
  try {
    const configuration = await db
      .transaction()
      .setIsolationLevel('repeatable read')
      .setAccessMode('read only')
      .execute((tx) => loadConfiguration(tx, box))
    const compiled = compileSnapshot(configuration)
    if (compiled.ok)
      return [
        ok(check, `Version ${configuration.version} can be read and compiles.`),
        examineUpstreams(compiled.snapshot, policy),
      ]
    const problems = compiled.problems.map(
      ({ subjectId, path, message }) => `${subjectId} ${path.join('.')}: ${message}`,
    )
    return [
      fail(
        check,
        `It does not compile, and gateways keep the one before. ${shortList(problems)}`,
        'Something else than Signalbox has changed it: take that back.',
      ),
    ]
  } catch (error) {
    if (!(error instanceof SecretBoxError)) throw error
    return [fail(check, error.message, 'Set the encryption key that it was wrapped with, or enter the secret anew.')]
  }
}

function examineUpstreams(snapshot: Snapshot, policy: UpstreamPolicy): Finding {
  const forbidden = listForbiddenUpstreams(snapshot, policy)
  if (forbidden.length === 0) return ok('upstreams', 'No address of an upstream is forbidden by the settings.')
  const texts = forbidden.map(({ backend, url, reason }) => `${backend} (${withoutUser(url)}): ${reason}`)
  return fail(
    'upstreams',
    `Nothing is sent to ${shortList(texts)}`,
    'SIGNALBOX_UPSTREAM_ALLOW allows ranges of addresses.',
  )
}

/** A proxy's address may hold a password. */
function withoutUser(url: string): string {
  const { origin } = new URL(url)
  return origin
}

async function examineProcesses(db: Db, version: string): Promise<Finding> {
  const check = 'gateways'
  const { rows, latest } = await lookUntilServed(db)
  const live = rows.filter(({ state }) => state === 'LIVE')
  const lost = rows.filter(({ state }) => state === 'LOST')
  const text = `${live.length === 0 ? 'No process is' : `${live.length} ${live.length === 1 ? 'process is' : 'processes are'}`} live${listVersions(live)}.`
  if (lost.length > 0)
    return warn(
      check,
      `${text} Lost: ${shortList(lost.map(nameOf))}.`,
      'Look after them, or forget them with `gatewayForget`: they may still serve what they knew last.',
    )
  const behind = listBehind(rows, latest.version)
  if (behind.length > 0)
    return warn(
      check,
      `${text} Behind version ${latest.version} of the configuration: ${shortList(behind.map(nameOf))}.`,
      'Their logs say why; a moment after a change this is usual.',
    )
  const builds = new Set([...live.map(({ build }) => build), version])
  if (builds.size > 1) return warn(check, text, `This is version ${version}: bring all to one.`)
  return ok(check, text)
}

/** A gateway without peers says with its next heartbeat what it serves: what is behind is looked at again, for 3 s. */
async function lookUntilServed(db: Db) {
  const deadline = performance.now() + settleMs
  for (;;) {
    const [rows, latest] = [await listProcesses(db), await getConfigVersion(db)]
    if (listBehind(rows, latest.version).length === 0 || performance.now() > deadline) return { rows, latest }
    await sleep(200)
  }
}

function listBehind(rows: readonly GatewayRow[], version: number): GatewayRow[] {
  return rows.filter((row) => row.state === 'LIVE' && isGateway(row) && !serves(row, version))
}

function listVersions(rows: readonly GatewayRow[]): string {
  const builds = [...new Set(rows.map(({ build }) => build))].sort()
  return builds.length === 0 ? '' : `, of version ${builds.join(', ')}`
}

function nameOf({ id, host }: GatewayRow): string {
  return `${id} on ${host || 'an unknown host'}`
}

function shortList(texts: readonly string[]): string {
  const rest = texts.length - maxNamed
  return rest > 0 ? `${texts.slice(0, maxNamed).join(', ')} and ${rest} more` : texts.join(', ')
}
