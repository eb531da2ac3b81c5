import { resolve } from 'node:path'
import type { Command } from 'commander'
import { CommandError } from './command-error.ts'
import { exitCodes } from './exit-code.ts'
import { prepare } from './prepare.ts'
import { print, printJson } from './print.ts'
import { createProgress } from './progress.ts'
import type { Shell } from './shell.ts'

interface Options {
  readonly replace?: true
  readonly json?: true
}

/** `signalbox restore <file>` */
export function addRestore(program: Command, shell: Shell): void {
  program
    .command('restore')
    .argument('<file>', 'a file that `backup` has written; - for stdin')
    .summary('fill an empty database from a backup')
    .description(
      'Fills an empty database from a backup: the embedded one, or that of DATABASE_URL, and brings it to this version. All or nothing: after an ' +
        'error, or Ctrl-C, the database is as it was.',
    )
    .option('--replace', 'replace what Signalbox has in the database; gateways follow, requests go on')
    .option('--json', 'print {"configVersion", "tables", "createdAt", "migrated"}')
    .action((file: string, options: Options) => runRestore(shell, file, options))
}

async function runRestore(shell: Shell, file: string, options: Options): Promise<void> {
  const { restoreBackup } = await import('../server/backup/restore-backup.ts')
  const { config, log } = await prepare(shell, 'stderr')
  const { signal } = shell.listenForStop()
  const progress = createProgress('Restored')
  const source = file === '-' ? process.stdin : { path: resolve(file) }
  const report = await restoreBackup(source, {
    config,
    log,
    replaces: options.replace === true,
    onRows: progress.report,
    signal,
  })
    .catch(explainRestore(file === '-' ? 'The backup' : file))
    .finally(progress.end)
  if (options.json) printJson(report)
  else
    print(
      `Restored what was backed up at ${report.createdAt}: ${report.tables} tables. It is version ${report.configVersion} of the configuration now.`,
    )
}

/** Turns an error of a restore into a `CommandError` that says what to do. */
export function explainRestore(source: string) {
  return (error: NodeJS.ErrnoException): never => {
    if (error.name === 'NotEmptyError')
      throw new CommandError(
        `${error.message} Nothing was changed. Use an empty database, or --replace to replace what Signalbox has in it.`,
        exitCodes.occupied,
      )
    if (error.name === 'ArchiveError' || error.name === 'DumpError')
      throw new CommandError(`${source} cannot be restored. ${error.message} Nothing was changed.`)
    if (['ENOENT', 'EACCES', 'EISDIR'].includes(error.code ?? ''))
      throw new CommandError(`${source} cannot be read: ${error.message}`)
    throw error
  }
}
