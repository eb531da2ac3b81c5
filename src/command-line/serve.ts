import { setFlagsFromString } from 'node:v8'
import { type Command, Option } from 'commander'
import type { FirstAdministrator } from '../control/user/first-administrator.ts'
import type { Log } from '../server/log/log.ts'
import type { Served } from '../server/serve.ts'
import { prepare } from './prepare.ts'
import type { Shell } from './shell.ts'

/** `signalbox serve` */
export function addServe(program: Command, shell: Shell): void {
  program
    .command('serve')
    .summary('run the API and the gateway')
    .description(
      'Runs the API and the gateway, and without DATABASE_URL a PostgreSQL of its own, until SIGTERM or SIGINT.',
    )
    .addOption(
      new Option('--role <role>', 'what this process serves; SIGNALBOX_ROLE').choices(['all', 'control', 'gateway']),
    )
    .action(({ role }: { role?: string }) => {
      set(shell, { SIGNALBOX_ROLE: role })
      return runServe(shell)
    })
}

/** What is said on the command line goes before the environment. In its place: packages read the environment, too. */
function set({ environment }: Shell, settings: Readonly<Record<string, string | undefined>>): void {
  for (const [name, value] of Object.entries(settings)) if (value !== undefined) environment[name] = value
}

async function runServe(shell: Shell): Promise<void> {
  countBuffersAsHeap()
  const stop = shell.listenForStop()
  // First, and without the rest: its faults are what a first start meets.
  const { config, log } = await prepare(shell, 'stdout')
  log.info({}, config.databaseUrl === undefined ? 'starting, with a database of its own' : 'starting')
  const [{ serve }, { readProductVersion }] = await Promise.all([
    import('../server/serve.ts'),
    import('../server/configuration/product-version.ts'),
  ])
  process.on('uncaughtExceptionMonitor', (error) => log.error({ err: error }, 'a fault of the program ends it'))
  try {
    await using served = await serve(config, log, { version: readProductVersion(), signal: stop.signal })
    log.info(addressesOf(served), 'listening')
    served.firstAdministrator?.then((administrator) => welcome(served, administrator, log), ignore)
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

/** Only what there is. */
function addressesOf({ apiUrl, gatewayUrl }: Served): Readonly<Record<string, string>> {
  return { ...(apiUrl !== null && { api: apiUrl }), ...(gatewayUrl !== null && { gateway: gatewayUrl }) }
}

async function welcome(
  urls: Pick<Served, 'apiUrl' | 'gatewayUrl'>,
  administrator: FirstAdministrator,
  log: Log,
): Promise<void> {
  const { welcomeText } = await import('../server/listeners/welcome.ts')
  if (administrator.kind === 'unusable')
    log.warn({ reason: administrator.reason }, 'SIGNALBOX_ADMIN_KEY is not accepted')
  if (administrator.kind === 'none')
    log.warn({}, 'no key can administer this installation: make one with the command create-key')
  // Not through the log, which writes no keys; and not among JSON lines that a program reads.
  const output = process.stdout.isTTY ? process.stdout : process.stderr
  if (administrator.kind === 'made' || process.stdout.isTTY) output.write(`\n${welcomeText(urls, administrator)}\n`)
}

// A database that comes later and then refuses is told by the log.
function ignore(): void {}
