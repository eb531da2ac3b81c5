import type { Command } from 'commander'
import { prepare } from './prepare.ts'
import { print, printJson } from './print.ts'
import type { Shell } from './shell.ts'

/** `signalbox migrate` */
export function addMigrate(program: Command, shell: Shell): void {
  program
    .command('migrate')
    .summary('bring the database to what this version needs')
    .description(
      'Brings the database to what this version needs. Waits for a database that is away. `serve` does it, too.',
    )
    .option('--json', 'print {"migrated": [names]}')
    .action(({ json }: { json?: true }) => runMigrate(shell, json === true))
}

async function runMigrate(shell: Shell, json: boolean): Promise<void> {
  const { migrateWhenReachable, openPersistence } = await import('../server/database/persistence.ts')
  const { config, log } = await prepare(shell, 'stderr')
  await using persistence = await openPersistence(config, log, { joinRunning: true })
  const ran = await migrateWhenReachable(persistence.database.url, log)
  if (json) printJson({ migrated: ran })
  else print(ran.length > 0 ? `Migrated: ${ran.join(', ')}` : 'Nothing to migrate.')
}
