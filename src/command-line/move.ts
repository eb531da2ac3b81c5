import { join } from 'node:path'
import type { Command } from 'commander'
import { CommandError } from './command-error.ts'
import { exitCodes } from './exit-code.ts'
import { prepare } from './prepare.ts'
import { print, printJson } from './print.ts'
import { createProgress } from './progress.ts'
import { explainRestore } from './restore.ts'
import type { Shell } from './shell.ts'

interface Options {
  readonly replace?: true
  readonly json?: true
}

/** `signalbox move` */
export function addMove(program: Command, shell: Shell): void {
  program
    .command('move')
    .summary('move an installation from its embedded database to the one of DATABASE_URL')
    .description(
      'Copies all that the embedded database in SIGNALBOX_DATA_DIR holds into the empty database of DATABASE_URL. Stop `serve` before: a running ' +
        'one is refused. All or nothing, and the embedded database stays as it is. Says at the end what to set.',
    )
    .option('--replace', 'replace what Signalbox has in the database of DATABASE_URL')
    .option('--json', 'print {"configVersion", "tables", "migrated", "encryptionKeyFile", "dataDir"}')
    .action((options: Options) => runMove(shell, options))
}

async function runMove(shell: Shell, options: Options): Promise<void> {
  const [{ move }, { readProductVersion }] = await Promise.all([
    import('../server/backup/move.ts'),
    import('../server/configuration/product-version.ts'),
  ])
  const url = await takeTarget(shell)
  const { config, log } = await prepare(shell, 'stderr')
  const { signal } = shell.listenForStop()
  const progress = createProgress('Moved')
  const report = await move({
    config,
    url,
    log,
    version: readProductVersion(),
    replaces: options.replace === true,
    onRows: progress.report,
    signal,
  })
    .catch(explainRunning)
    .catch(explainRestore('The embedded database'))
    .finally(progress.end)
  const { configVersion, tables, migrated } = report
  // A key in the environment overrides the key in the file, and must not be changed.
  const encryptionKeyFile = config.encryptionKeys === undefined ? join(config.dataDir, 'encryption-key') : null
  if (options.json) printJson({ configVersion, tables, migrated, encryptionKeyFile, dataDir: config.dataDir })
  else print(describeMove(tables, config.dataDir, encryptionKeyFile))
}

/** The URL of the target database. The following steps concern the embedded database and read the environment without this variable. */
async function takeTarget({ environment }: Shell): Promise<string> {
  const { parseDatabaseUrl } = await import('../storage/database/address.ts')
  const url = environment['DATABASE_URL']
  if (!url) throw new CommandError('Set DATABASE_URL to the database that the installation moves to.', exitCodes.usage)
  try {
    parseDatabaseUrl(url)
  } catch (error) {
    throw new CommandError(`DATABASE_URL ${(error as Error).message}.`, exitCodes.usage)
  }
  delete environment['DATABASE_URL']
  delete environment['SIGNALBOX_ROLE']
  return url
}

function explainRunning(error: Error): never {
  if (error.name !== 'RunningError') throw error
  throw new CommandError(`${error.message} Stop it, and call this again. Nothing was changed.`, exitCodes.occupied)
}

function describeMove(tables: number, dataDir: string, keyFile: string | null): string {
  const key =
    keyFile === null ? '  SIGNALBOX_ENCRYPTION_KEY   as it is' : `  SIGNALBOX_ENCRYPTION_KEY   what is in ${keyFile}`
  return [
    `Moved: ${tables} tables. Every process of the installation needs from now on`,
    '  DATABASE_URL               as it is in this shell',
    key,
    `Start the first one with SIGNALBOX_DATA_DIR=${dataDir}: usage that was not in the database yet is sent from there.`,
    `The embedded database in ${join(dataDir, 'postgres')} stays as it was; do not start it again without DATABASE_URL.`,
  ].join('\n')
}
