import type { Command } from 'commander'
import { prepare } from './prepare.ts'
import { print, printJson } from './print.ts'
import type { Shell } from './shell.ts'

/** `signalbox create-key` */
export function addCreateKey(program: Command, shell: Shell): void {
  program
    .command('create-key')
    .summary("make a new administrator's key, if the old one is lost")
    .description(
      "Makes a new administrator's key and prints it, once. For who has lost theirs. Works beside a running server, too.",
    )
    .option('--json', 'print {"key": "sbx_…"}')
    .action(({ json }: { json?: true }) => runCreateKey(shell, json === true))
}

async function runCreateKey(shell: Shell, json: boolean): Promise<void> {
  const { makeAdministratorKey } = await import('../server/configuration/administrator-key.ts')
  const { config, log } = await prepare(shell, 'stderr')
  const key = await makeAdministratorKey(config, log)
  if (json) printJson({ key })
  else print(key)
}
