import { Command } from 'commander'
import { readProductVersion } from '../server/configuration/product-version.ts'
import { addBackup } from './backup.ts'
import { addCreateKey } from './create-key.ts'
import { addDoctor } from './doctor.ts'
import { addGrants } from './grants.ts'
import { addLogs } from './logs.ts'
import { addMigrate } from './migrate.ts'
import { addMove } from './move.ts'
import { addRestore } from './restore.ts'
import { addRotateEncryptionKey } from './rotate-encryption-key.ts'
import { addSchema } from './schema.ts'
import { addServe } from './serve.ts'
import type { Shell } from './shell.ts'
import { addVersion } from './version.ts'

/**
 * All commands. Each has a file of its own, which loads what it needs when it runs, so that `--help` answers even if the rest
 * cannot. Throws `CommanderError` for words that make no call, after it has told what is wrong.
 */
export async function createProgram(shell: Shell): Promise<Command> {
  const { VARIABLE_NAMES } = await import('../server/configuration/config.ts')
  const program = new Command('signalbox')
    .description('A GraphQL API platform for model routing.')
    .version(readProductVersion(), '-v, --version', 'print the version')
    .helpOption('-h, --help', 'print what there is')
    .helpCommand('help [command]', 'print what a command does')
    .configureHelp({ helpWidth: 100 })
    .configureOutput({ outputError: (text, write) => write(text.slice(0, longestErrorChars)) })
    .addHelpText(
      'after',
      ['', 'Configured by environment variables:', ...VARIABLE_NAMES.map((name) => `  ${name}`)].join('\n'),
    )
    .exitOverride()
  addServe(program, shell)
  addMigrate(program, shell)
  addCreateKey(program, shell)
  addDoctor(program, shell)
  addGrants(program)
  addRotateEncryptionKey(program, shell)
  addBackup(program, shell)
  addRestore(program, shell)
  addMove(program, shell)
  addLogs(program, shell)
  addSchema(program)
  addVersion(program)
  return program
}

/** The error contains what was typed. */
const longestErrorChars = 500
