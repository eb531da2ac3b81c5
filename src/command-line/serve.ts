import { setFlagsFromString } from 'node:v8'
import { type Command, Option } from 'commander'
import type { FirstAdministrator } from '../control/user/first-administrator.ts'
import type { Config } from '../server/configuration/config.ts'
import type { Log } from '../server/log/log.ts'
import type { RunningServer, ServeOptions } from '../server/serve.ts'
import type { Variables } from '../server/workers/worker-environment.ts'
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
    .option('--workers <number>', 'gateways in processes of their own, which share the port; SIGNALBOX_WORKERS')
    .option('--env-file <file>', 'NAME=value lines over the environment, read again on SIGHUP; SIGNALBOX_ENV_FILE')
    .action(({ role, workers, envFile }: { role?: string; workers?: string; envFile?: string }) => {
      set(shell, { SIGNALBOX_ROLE: role, SIGNALBOX_WORKERS: workers, SIGNALBOX_ENV_FILE: envFile })
      return runServe(shell)
    })
}

/** Options override the environment. They are written into it, because packages read the environment too. */
function set({ environment }: Shell, settings: Readonly<Record<string, string | undefined>>): void {
  for (const [name, value] of Object.entries(settings)) if (value !== undefined) environment[name] = value
}

async function runServe(shell: Shell): Promise<void> {
  countBuffersAsHeap()
  const { isWorkerProcess } = await import('../server/workers/worker-process.ts')
  if (isWorkerProcess()) return runWorker(shell)
  const stop = shell.listenForStop()
  const before = { ...shell.environment }
  await applyEnvFile(shell)
  // Read first and separately: a first start mostly fails because of the configuration.
  const { config, log } = await prepare(shell, 'stdout')
  log.info({}, config.databaseUrl === undefined ? 'starting, with a database of its own' : 'starting')
  const version = await productVersion()
  process.on('uncaughtExceptionMonitor', (error) => log.error({ err: error }, 'a fault of the program ends it'))
  try {
    await using served = await open(config, log, { version, signal: stop.signal, before })
    log.info(addressesOf(served), 'listening')
    served.firstAdministrator?.then((administrator) => welcome(served, administrator, log), ignore)
    await stop.requested
    log.info({}, 'draining: no new requests, and the end when those in flight have ended; a second signal ends it now')
    await served.drain()
  } catch (error) {
    // A start that fails after a request to stop failed because of that request.
    if (!stop.signal.aborted || (error as Error).name !== 'AbortError') throw error
  }
  log.info({}, 'stopped')
}

async function applyEnvFile({ environment }: Shell): Promise<void> {
  const { readSettings } = await import('../server/workers/worker-environment.ts')
  Object.assign(environment, readSettings(environment, environment['SIGNALBOX_ENV_FILE']))
}

async function productVersion(): Promise<string> {
  const { readProductVersion } = await import('../server/configuration/product-version.ts')
  return readProductVersion()
}

/** In this process, or the gateway in workers. `before`: the environment without the env file. */
async function open(
  config: Config,
  log: Log,
  { before, ...options }: ServeOptions & { readonly before: Variables },
): Promise<RunningServer> {
  const { serve } = await import('../server/serve.ts')
  if (config.workers === 0) return serve(config, log, options)
  const { serveWithWorkers } = await import('../server/workers/serve-with-workers.ts')
  return serveWithWorkers(config, log, { ...options, before, onReload: (reload) => process.on('SIGHUP', reload) })
}

/** One of several gateways, which its primary starts and stops. */
async function runWorker(shell: Shell): Promise<void> {
  const { openWorkerProcess } = await import('../server/workers/worker-process.ts')
  using worker = openWorkerProcess()
  const { config, log: parentLog } = await prepare(shell, 'stdout')
  const log = parentLog.child({ pid: process.pid })
  const { serve } = await import('../server/serve.ts')
  process.on('uncaughtExceptionMonitor', (error) => log.error({ err: error }, 'a fault of the program ends it'))
  try {
    await using served = await serve(config, log, {
      version: await productVersion(),
      signal: worker.signal,
      shareMetrics: worker.shareMetrics,
    })
    worker.sayReady(served.gatewayUrl ?? '')
    await worker.stopRequested
    await served.drain()
  } catch (error) {
    if (!worker.signal.aborted || (error as Error).name !== 'AbortError') throw error
  }
}

/**
 * V8 collects its whole heap whenever 64 MB of buffers have come and gone, and buffers are what a gateway forwards: with long
 * prompts that took half of its CPU time. With this flag they count like the rest of the heap, by how it grows.
 */
function countBuffersAsHeap(): void {
  // Only Node 24's V8 knows this option; others would print a warning.
  if (process.versions.v8.startsWith('13.')) setFlagsFromString('--external-memory-accounted-in-global-limit')
}

/** Only what there is. */
function addressesOf({ apiUrl, gatewayUrl }: RunningServer): Readonly<Record<string, string>> {
  return { ...(apiUrl !== null && { api: apiUrl }), ...(gatewayUrl !== null && { gateway: gatewayUrl }) }
}

async function welcome(
  urls: Pick<RunningServer, 'apiUrl' | 'gatewayUrl'>,
  administrator: FirstAdministrator,
  log: Log,
): Promise<void> {
  const { welcomeText } = await import('../server/listeners/welcome.ts')
  if (administrator.kind === 'unusable')
    log.warn({ reason: administrator.reason }, 'SIGNALBOX_ADMIN_KEY is not accepted')
  if (administrator.kind === 'none')
    log.warn({}, 'no key can administer this installation: make one with the command create-key')
  // Not through the log, which masks keys, and not between JSON lines that a program reads.
  const output = process.stdout.isTTY ? process.stdout : process.stderr
  if (administrator.kind === 'made' || process.stdout.isTTY) output.write(`\n${welcomeText(urls, administrator)}\n`)
}

// If the database is reachable later and then refuses, the log reports it.
function ignore(): void {}
