import type { Config } from '../server/configuration/config.ts'
import type { Log } from '../server/log/log.ts'
import type { Shell } from './shell.ts'

/**
 * The configuration, and the log that goes with it: stdout for `serve`, stderr beside the answer of another command. Throws
 * `ConfigError` with all faults of the environment.
 */
export async function prepare(
  { environment }: Shell,
  output: 'stdout' | 'stderr',
): Promise<{ config: Config; log: Log }> {
  const [{ readConfig }, { createLog }] = await Promise.all([
    import('../server/configuration/config.ts'),
    import('../server/log/log.ts'),
  ])
  const { config, warnings } = readConfig(environment)
  if (config.databaseUrl === undefined) forgetPostgresVariables(environment)
  const sink = output === 'stderr' ? { sink: process.stderr } : {}
  const log = createLog({ level: config.logLevel, forTerminal: process[output].isTTY, ...sink })
  for (const warning of warnings) log.warn({}, warning)
  return { config, log }
}

/** The driver reads missing parts of an address from `PGPORT` and similar variables, which mean another server than the embedded one. */
function forgetPostgresVariables(environment: NodeJS.ProcessEnv): void {
  for (const name of Object.keys(environment)) if (name.startsWith('PG')) delete environment[name]
}
