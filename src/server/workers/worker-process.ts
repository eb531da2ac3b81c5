import cluster from 'node:cluster'
import type { MetricsReader } from '../../gateway/ports.ts'
import { isDrain, type ReadyMessage } from './messages.ts'
import { answerForMetrics, askForMetrics, type MetricsConnection } from './metrics-messages.ts'

/** The worker's side of the messages between primary and worker. */
export interface WorkerProcess extends Disposable {
  /** Resolves when the worker must end gracefully: the primary asks for it or has ended, or the process got SIGTERM. */
  readonly stopRequested: Promise<void>
  readonly signal: AbortSignal
  /** From now on the worker that it replaces may go. */
  sayReady(gatewayUrl: string): void
  /** Tells the primary this worker's own metrics when it asks. What is returned reads those of all workers. */
  readonly shareMetrics: (own: MetricsReader) => MetricsReader
}

export const isWorkerProcess = (): boolean => cluster.isWorker

export function openWorkerProcess(): WorkerProcess {
  const stop = new AbortController()
  const requested = Promise.withResolvers<void>()
  const request = () => {
    stop.abort()
    requested.resolve()
  }
  // Without this, Node ends a worker whose primary has died at once, and cuts its streams.
  if (cluster.worker) cluster.worker.exitedAfterDisconnect = true
  process.on('disconnect', request)
  process.on('message', (message) => {
    if (isDrain(message)) request()
  })
  process.on('SIGTERM', request)
  // A terminal sends Ctrl-C to all processes of a group: the primary says what to do.
  process.on('SIGINT', ignore)
  return {
    stopRequested: requested.promise,
    signal: stop.signal,
    sayReady: (gatewayUrl) => void process.send?.({ kind: 'ready', gatewayUrl } satisfies ReadyMessage),
    shareMetrics,
    [Symbol.dispose]() {
      // An open channel would keep the process.
      if (process.connected) process.disconnect()
    },
  }
}

const primary: MetricsConnection = {
  isConnected: () => process.connected,
  send: (message, sent) => process.send?.(message, undefined, undefined, sent),
  on: (event, listener) => process.on(event, listener),
  off: (event, listener) => process.off(event, listener),
}

/** Longer than the primary waits for the workers. */
const patienceMs = 4_000

function shareMetrics(own: MetricsReader): MetricsReader {
  answerForMetrics(primary, async () => (await own()).text)
  return async () => {
    const all = await askForMetrics(primary, patienceMs)
    const { contentType, text } = await own()
    return { contentType, text: all ?? text }
  }
}

function ignore(): void {}
