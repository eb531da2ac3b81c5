import './require-node.js'
import './thread-pool.ts'
import { enableCompileCache } from 'node:module'
import { constants } from 'node:os'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import type { FirstAdministrator } from './control/first-administrator.ts'
import type { Config } from './server/config.ts'
import type { Log } from './server/log.ts'

// In the project's own folder: the default is one in /tmp that any user of the machine could have made first.
enableCompileCache(join(import.meta.dirname, '../node_modules/.cache/node-compile-cache'))

type Command = { does: string; run: () => Promise<void> }

// Each command loads what it needs only: `help` answers even if the rest cannot.
const COMMANDS: Readonly<Record<string, Command>> = {
  serve: { does: 'run the API and the gateway (npm start)', run: runServe },
  migrate: { does: 'bring the database to what this version needs', run: runMigrate },
  'create-key': { does: "make a new administrator's key, for who has lost theirs", run: runCreateKey },
  'rotate-encryption-key': {
    does: 'wrap the stored secrets with SIGNALBOX_ENCRYPTION_KEY, once every process has it',
    run: runRotateEncryptionKey,
  },
  schema: { does: 'print the GraphQL schema', run: runSchema },
  help: { does: 'print this', run: printHelp },
  version: { does: 'print the version', run: printVersion },
}

const ALIASES: Readonly<Record<string, string>> = {
  '--help': 'help',
  '-h': 'help',
  '--version': 'version',
  '-v': 'version',
}

async function runServe(): Promise<void> {
  countBuffersAsHeap()
  const stop = listenForStop()
  // First, and without the rest: its faults are what a first start meets.
  const { config, log } = await prepare('stdout')
  const [{ serve }, { readProductVersion }] = await Promise.all([
    import('./server/serve.ts'),
    import('./server/product-version.ts'),
  ])
  process.on('uncaughtExceptionMonitor', (error) => log.error({ err: error }, 'a fault of the program ends it'))
  try {
    await using served = await serve(config, log, { version: readProductVersion(), signal: stop.signal })
    log.info({ api: served.apiUrl, gateway: served.gatewayUrl }, 'listening')
    served.firstAdministrator.then((administrator) => welcome(served, administrator, log), ignore)
    await stop.requested
    log.info({}, 'draining: no new requests, and the end when those in flight have ended; a second signal ends it now')
    await served.drain()
  } catch (error) {
    // Told to stop while it was starting: that is what the failed start means.
    if (!stop.signal.aborted || (error as Error).name !== 'AbortError') throw error
  }
  log.info({}, 'stopped')
}

/**
 * V8 collects its whole heap whenever 64 MB of buffers have come and gone, and buffers are what a gateway forwards: with long
 * prompts that took half of its CPU time. With this flag they count like the rest of the heap, by how it grows.
 */
function countBuffersAsHeap(): void {
  // Node 24's V8 knows it; others would complain on stderr.
  if (process.versions.v8.startsWith('13.')) setFlagsFromString('--external-memory-accounted-in-global-limit')
}

const SAME_SIGNAL_MS = 500

/** The first SIGTERM or SIGINT asks for an end in order, the second one gets it at once. */
function listenForStop(): { signal: AbortSignal; requested: Promise<void> } {
  const asked = new AbortController()
  const requested = Promise.withResolvers<void>()
  let askedAtMs = 0
  const onSignal = (signal: NodeJS.Signals) => {
    if (asked.signal.aborted) {
      // One Ctrl-C under `npm start` comes twice: from the terminal, and passed on by npm.
      if (performance.now() - askedAtMs < SAME_SIGNAL_MS) return
      process.exit(128 + constants.signals[signal])
    }
    askedAtMs = performance.now()
    asked.abort()
    requested.resolve()
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, onSignal)
  return { signal: asked.signal, requested: requested.promise }
}

async function welcome(
  urls: { apiUrl: string; gatewayUrl: string },
  administrator: FirstAdministrator,
  log: Log,
): Promise<void> {
  const { welcomeText } = await import('./server/welcome.ts')
  if (administrator.kind === 'unusable')
    log.warn({ reason: administrator.reason }, 'SIGNALBOX_ADMIN_KEY is not accepted')
  if (administrator.kind === 'none')
    log.warn({}, 'no key can administer this installation: make one with `node src/main.ts create-key`')
  // Not through the log, which writes no keys; and not among JSON lines that a program reads.
  const output = process.stdout.isTTY ? process.stdout : process.stderr
  if (administrator.kind === 'made' || process.stdout.isTTY) output.write(`\n${welcomeText(urls, administrator)}\n`)
}

async function runMigrate(): Promise<void> {
  const { migrateWhenReachable, openPersistence } = await import('./server/persistence.ts')
  const { config, log } = await prepare('stderr')
  await using persistence = await openPersistence(config, log, { joinRunning: true })
  const ran = await migrateWhenReachable(persistence.database.url, log)
  print(ran.length > 0 ? `Migrated: ${ran.join(', ')}` : 'Nothing to migrate.')
}

async function runCreateKey(): Promise<void> {
  const { makeAdministratorKey } = await import('./server/administrator-key.ts')
  const { config, log } = await prepare('stderr')
  print(await makeAdministratorKey(config, log))
}

async function runRotateEncryptionKey(): Promise<void> {
  const { runRotation } = await import('./server/rotate-encryption-key.ts')
  const { config, log } = await prepare('stderr')
  print(
    `Secrets wrapped anew: ${await runRotation(config, log)}. SIGNALBOX_ENCRYPTION_KEY_PREVIOUS is not needed any more.`,
  )
}

async function runSchema(): Promise<void> {
  const { printedSchema } = await import('./graphql/schema.ts')
  process.stdout.write(printedSchema())
}

async function printHelp(): Promise<void> {
  const { VARIABLE_NAMES } = await import('./server/config.ts')
  const commands = Object.entries(COMMANDS).map(([name, { does }]) => `  ${name.padEnd(23)}${does}`)
  print(
    ['Usage: npm start, or npx node src/main.ts <command>', '', ...commands, '', 'Configured by environment variables:']
      .concat(VARIABLE_NAMES.map((name) => `  ${name}`))
      .join('\n'),
  )
}

async function printVersion(): Promise<void> {
  const { readProductVersion } = await import('./server/product-version.ts')
  print(readProductVersion())
}

/** The configuration, and the log that goes with it: stdout for `serve`, stderr beside a command's answer. */
async function prepare(output: 'stdout' | 'stderr'): Promise<{ config: Config; log: Log }> {
  const [{ readConfig }, { createLog }] = await Promise.all([import('./server/config.ts'), import('./server/log.ts')])
  const { config, warnings } = readConfig(process.env)
  if (config.databaseUrl === undefined) forgetPostgresVariables(process.env)
  const sink = output === 'stderr' ? { sink: process.stderr } : {}
  const log = createLog({ level: config.logLevel, forTerminal: process[output].isTTY, ...sink })
  for (const warning of warnings) log.warn({}, warning)
  return { config, log }
}

/** The driver takes from `PGPORT` and its like what an address leaves open: they mean another server than the embedded one. */
function forgetPostgresVariables(environment: NodeJS.ProcessEnv): void {
  for (const name of Object.keys(environment)) if (name.startsWith('PG')) delete environment[name]
}

// A database that comes later and then refuses is told by the log.
function ignore(): void {}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

/** What the operator can mend is told in its own words; of everything else the place matters too. */
function describeFailure(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const isMendable = ['StartError', 'ConfigError', 'MigrationError'].includes(error.name)
  return isMendable ? error.message : (error.stack ?? error.message)
}

async function main(name = 'help'): Promise<void> {
  const command = COMMANDS[ALIASES[name] ?? name]
  if (!command) {
    process.stderr.write(`There is no command "${name.slice(0, 50)}". "help" lists those that there are.\n`)
    process.exitCode = 2
    return
  }
  try {
    await command.run()
  } catch (error) {
    process.stderr.write(`${describeFailure(error)}\n`)
    process.exitCode = 1
  }
}

await main(process.argv[2])
