/** Starts, watches and replaces worker processes: gateways that share one listening socket. */
import cluster, { type Worker } from 'node:cluster'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Log } from '../log/log.ts'
import { BackOff } from './back-off.ts'
import { type MetricsPage, mergeMetrics } from '../metrics/merge-metrics.ts'
import { type DrainMessage, isReady } from './messages.ts'
import { answerForMetrics, askForMetrics } from './metrics-messages.ts'

export interface WorkerPoolOptions {
  readonly count: number
  /** The environment of a new worker, read for each worker. Throws if it cannot be read. */
  readonly environment: () => Readonly<Record<string, string | undefined>>
  readonly log: Log
  /** Ends the wait for the first start. */
  readonly signal: AbortSignal
}

export interface WorkerPool extends AsyncDisposable {
  readonly gatewayUrl: string
  /** Replaces the workers one by one: each ends when its successor is ready. If a successor does not start, the remaining workers stay. */
  replaceAll(): Promise<void>
  /** The metrics of each worker that answers. Those that drain are not asked: others have their places. */
  readMetrics(): Promise<MetricsPage[]>
  /** All workers take nothing new, and end when what is in flight has ended. */
  drain(): Promise<void>
}

interface Slot {
  readonly number: number
  readonly backOff: BackOff
  worker: Worker
}

/** Resolves when all workers are ready. Throws if the first start of one fails. */
export async function openWorkerPool(options: WorkerPoolOptions): Promise<WorkerPool> {
  const { count, log, signal } = options
  // Each worker accepts connections itself: none passes through this process, and none depends on it when a worker dies.
  cluster.schedulingPolicy = cluster.SCHED_NONE
  // What else was said on the command line is in the environment.
  cluster.setupPrimary({ args: ['serve'] })
  const alive = new Set<Worker>()
  const slots: Slot[] = []
  const stopping = new AbortController()
  let gatewayUrl = ''

  const readMetrics = async () => {
    const answers = slots.map(async ({ number, worker }) => {
      const text = await askForMetrics(worker)
      return text === null ? [] : [{ label: { name: 'worker', value: String(number) }, text }]
    })
    return (await Promise.all(answers)).flat()
  }
  const start = async (number: number): Promise<Worker> => {
    const worker = cluster.fork(options.environment())
    alive.add(worker)
    worker.once('exit', () => alive.delete(worker))
    // What goes wrong on the way to a worker that ends is told by its end.
    worker.on('error', () => undefined)
    answerForMetrics(worker, async () => mergeMetrics(await readMetrics()))
    gatewayUrl = await readyUrlOf(worker)
    log.info({ worker: number, pid: worker.process.pid }, 'a worker serves')
    return worker
  }
  const watch = (slot: Slot, worker: Worker) => {
    const startedAtMs = performance.now()
    worker.once('exit', (code, signal) => {
      if (slot.worker !== worker || stopping.signal.aborted) return
      log.error({ worker: slot.number, pid: worker.process.pid, code, signal }, 'a worker has ended by itself')
      void restart(slot, worker, performance.now() - startedAtMs)
    })
  }
  const restart = async (slot: Slot, ended: Worker, livedMs: number) => {
    let delayMs = slot.backOff.delayMs(livedMs)
    // A replacement of all may have filled the place meanwhile.
    while (slot.worker === ended && !stopping.signal.aborted) {
      await sleep(delayMs, undefined, { signal: stopping.signal }).catch(() => undefined)
      if (stopping.signal.aborted || slot.worker !== ended) return
      try {
        put(slot, await start(slot.number))
      } catch (error) {
        log.error({ worker: slot.number, error: (error as Error).message }, 'a worker could not be started again')
        delayMs = slot.backOff.delayMs(0)
      }
    }
  }
  /** A process that starts too late, or for a place that is taken, is ended. */
  const put = (slot: Slot, worker: Worker) => {
    const before = slot.worker
    slot.worker = worker
    watch(slot, worker)
    sayDrain(before)
    if (stopping.signal.aborted) sayDrain(worker)
  }
  const replaceInTurn = async () => {
    for (const slot of slots) {
      if (stopping.signal.aborted) return
      try {
        put(slot, await start(slot.number))
      } catch (error) {
        log.error(
          { worker: slot.number, error: (error as Error).message },
          'a new worker did not start: the workers of before stay',
        )
        return
      }
    }
    log.info({ workers: count }, 'all workers were replaced')
  }
  const endAll = async (end: (worker: Worker) => void) => {
    stopping.abort()
    const ends = [...alive].map((worker) => once(worker, 'exit'))
    for (const worker of alive) end(worker)
    await Promise.all(ends)
  }
  let replacing = Promise.resolve()
  let queued: Promise<void> | undefined
  // However often it is asked for while one is under way: one more has the settings of the last time.
  const replaceAll = () => {
    queued ??= replacing = replacing.then(() => {
      queued = undefined
      return replaceInTurn()
    })
    return queued
  }
  const kill = (worker: Worker) => void worker.process.kill('SIGKILL')
  // However this process ends by itself: workers without it would hold the port.
  const killAll = () => alive.forEach(kill)
  process.on('exit', killAll)
  const giveUp = () => void endAll(sayDrain)
  signal.addEventListener('abort', giveUp)

  try {
    const first = await Promise.all(Array.from({ length: count }, async (_, index) => start(index + 1)))
    for (const [index, worker] of first.entries()) {
      const slot = { number: index + 1, backOff: new BackOff(), worker }
      slots.push(slot)
      watch(slot, worker)
    }
  } catch (error) {
    await endAll(kill)
    signal.throwIfAborted()
    throw error
  } finally {
    signal.removeEventListener('abort', giveUp)
  }
  return {
    get gatewayUrl() {
      return gatewayUrl
    },
    replaceAll,
    readMetrics,
    drain: () => endAll(sayDrain),
    async [Symbol.asyncDispose]() {
      await endAll(kill)
      process.off('exit', killAll)
    },
  }
}

function sayDrain(worker: Worker): void {
  if (worker.isConnected()) worker.send({ kind: 'drain' } satisfies DrainMessage, () => undefined)
}

/** Rejects if it ends before. */
async function readyUrlOf(worker: Worker): Promise<string> {
  const ready = Promise.withResolvers<string>()
  worker.on('message', (message) => {
    if (isReady(message)) ready.resolve(message.gatewayUrl)
  })
  worker.once('exit', (code, signal) =>
    ready.reject(new Error(`the worker ended with ${signal ?? code} before it was ready; its log says why`)),
  )
  return ready.promise
}
