import { createWriteStream } from 'node:fs'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { CommandError } from './command-error.ts'
import { exitCodes } from './exit-code.ts'
import { prepare } from './prepare.ts'
import { print, printJson, tell } from './print.ts'
import { createProgress, formatBytes } from './progress.ts'
import type { Shell } from './shell.ts'

interface Options {
  readonly includeEncryptionKey?: true
  readonly overwrite?: true
  readonly json?: true
}

/** `signalbox backup <file>` */
export function addBackup(program: Command, shell: Shell): void {
  program
    .command('backup')
    .argument('<file>', 'where the backup is written to; - for stdout')
    .summary('write all that the database holds to a file')
    .description(
      'Writes all that the database holds, as it is at this instant, to one file. Everything goes on beside it. The encryption key is not in ' +
        'it: keep that elsewhere, or the stored secrets are lost with it.',
    )
    .option(
      '--include-encryption-key',
      'put the encryption key into the file; whoever has the file then has all secrets',
    )
    .option('--overwrite', 'replace a file of that name')
    .option('--json', 'print {"file", "configVersion", "tables", "bytes"}')
    .action((file: string, options: Options) => runBackup(shell, file, options))
}

async function runBackup(shell: Shell, file: string, options: Options): Promise<void> {
  const [{ backUp }, { readProductVersion }] = await Promise.all([
    import('../server/backup/backup.ts'),
    import('../server/configuration/product-version.ts'),
  ])
  const { config, log } = await prepare(shell, 'stderr')
  const { signal } = shell.listenForStop()
  const progress = createProgress('Read')
  // Not `process.stdout`, which treats an early close by its reader as a normal end: a backup is useful only if it is complete.
  const target =
    file === '-'
      ? createWriteStream('', { fd: 1, autoClose: false })
      : { path: resolve(file), replaces: options.overwrite === true }
  const report = await backUp(target, {
    config,
    log,
    version: readProductVersion(),
    includesEncryptionKey: options.includeEncryptionKey === true,
    onRows: progress.report,
    signal,
  })
    .catch(explain(file === '-' ? 'stdout' : file))
    .finally(progress.end)
  const text = `Version ${report.configVersion} of the configuration, ${report.tables} tables, ${formatBytes(report.bytes)} before compression.`
  if (file === '-') tell(text)
  else if (options.json) printJson({ file: resolve(file), ...report })
  else print(`Written to ${file}: ${text}`)
}

function explain(file: string) {
  return (error: NodeJS.ErrnoException): never => {
    if (error.code === 'EEXIST')
      throw new CommandError(`There is a file ${file} already. Name another, or use --overwrite.`, exitCodes.occupied)
    if (error.code === 'ENOSPC')
      throw new CommandError(
        `There is no room for ${file} on its disk.${file === 'stdout' ? '' : ' Nothing of it was left.'}`,
      )
    if (error.code === 'EPIPE')
      throw new CommandError('The program that reads the backup has ended: it does not have all of it.')
    if (['ENOENT', 'EACCES', 'EROFS', 'ENOTDIR', 'EISDIR'].includes(error.code ?? ''))
      throw new CommandError(`${file} cannot be written: ${error.message}`)
    throw error
  }
}
