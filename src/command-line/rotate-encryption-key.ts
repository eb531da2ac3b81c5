import type { Command } from 'commander'
import { prepare } from './prepare.ts'
import { print, printJson } from './print.ts'
import type { Shell } from './shell.ts'

/** `signalbox rotate-encryption-key` */
export function addRotateEncryptionKey(program: Command, shell: Shell): void {
  program
    .command('rotate-encryption-key')
    .summary('wrap the stored secrets with a new encryption key')
    .description(
      'Wraps the stored secrets with SIGNALBOX_ENCRYPTION_KEY, once every process has it, with the key before as ' +
        'SIGNALBOX_ENCRYPTION_KEY_PREVIOUS.',
    )
    .option('--json', 'print {"wrapped": number of secrets}')
    .action(({ json }: { json?: true }) => runRotateEncryptionKey(shell, json === true))
}

async function runRotateEncryptionKey(shell: Shell, json: boolean): Promise<void> {
  const { runRotation } = await import('../server/database/rotate-encryption-key.ts')
  const { config, log } = await prepare(shell, 'stderr')
  const wrapped = await runRotation(config, log)
  if (json) printJson({ wrapped })
  else print(`Secrets wrapped anew: ${wrapped}. SIGNALBOX_ENCRYPTION_KEY_PREVIOUS is not needed any more.`)
}
