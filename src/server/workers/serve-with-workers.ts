import type { Config } from '../configuration/config.ts'
import type { Log } from '../log/log.ts'
import { mergeMetrics } from '../metrics/merge-metrics.ts'
import type { MetricsReader } from '../../gateway/ports.ts'
import { serve, type RunningServer, type ServeOptions } from '../serve.ts'
import { embeddedDatabaseVariables, readSettings, type Variables, workerEnvironment } from './worker-environment.ts'
import { openWorkerPool, type WorkerPool } from './worker-pool.ts'

export interface WorkersOptions extends ServeOptions {
  /** The environment that the process was given. */
  readonly before: Variables
  /** Has the workers replaced whenever the function is called. */
  readonly onReload: (reload: () => void) => void
}

/**
 * Serves the API, if the role has one, in this process, and the gateway in `config.workers` processes on one port. A worker is a gateway
 * among the installation's like any other.
 */
export async function serveWithWorkers(config: Config, log: Log, options: WorkersOptions): Promise<RunningServer> {
  await using opened = new AsyncDisposableStack()
  let pool: WorkerPool | undefined
  const shareMetrics =
    (own: MetricsReader): MetricsReader =>
    async () => {
      const [{ contentType, text }, ofWorkers = []] = await Promise.all([own(), pool?.readMetrics()])
      return { contentType, text: mergeMetrics([{ label: null, text }, ...ofWorkers]) }
    }
  const control =
    config.role === 'all'
      ? opened.use(
          await serve({ ...config, role: 'control' }, log, {
            ...options,
            shareMetrics,
            gatewayUrl: () => pool?.gatewayUrl,
          }),
        )
      : null
  const database = await embeddedDatabaseVariables(config)
  const file = options.before['SIGNALBOX_ENV_FILE']
  const environment = () => workerEnvironment(process.env, readSettings(options.before, file), database)
  // From the beginning: a process that does not listen is ended by SIGHUP.
  options.onReload(() => void pool?.replaceAll())
  const started = opened.use(await openWorkerPool({ count: config.workers, environment, log, signal: options.signal }))
  pool = started
  const owned = opened.move()
  return {
    apiUrl: control && control.apiUrl,
    gatewayUrl: started.gatewayUrl,
    firstAdministrator: control && control.firstAdministrator,
    async drain() {
      await Promise.all([started.drain(), control?.drain()])
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}
