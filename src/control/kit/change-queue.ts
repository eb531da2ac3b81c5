export interface ChangeQueueOptions {
  /** Changes under way at a time. */
  readonly atOnce: number
  /** Changes that wait; one more is turned away. */
  readonly maxWaiting: number
  /** The longest wait. */
  readonly patienceMs: number
}

/** A change had to wait for too long, or too many were waiting. It was not begun. */
export class ChangeQueueError extends Error {
  override name = 'ChangeQueueError'
}

/**
 * Where changes wait for those before them, in the order in which they came. In the queue of the connection pool they would end after the
 * seconds after which a database counts as away.
 */
export interface ChangeQueue {
  /** Runs `work` when its turn comes. Throws `ChangeQueueError`. */
  run<T>(work: () => Promise<T>): Promise<T>
}

interface Waiting {
  readonly begin: () => void
}

export function createChangeQueue({ atOnce, maxWaiting, patienceMs }: ChangeQueueOptions): ChangeQueue {
  const waiting = new Set<Waiting>()
  let running = 0

  const waitForTurn = async (): Promise<void> => {
    if (running < atOnce) return void running++
    if (waiting.size >= maxWaiting) throw new ChangeQueueError(`${waiting.size} changes are waiting.`)
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const entry = { begin: resolve }
    waiting.add(entry)
    const timer = setTimeout(() => {
      waiting.delete(entry)
      reject(new ChangeQueueError(`The change waited for ${patienceMs} ms.`))
    }, patienceMs)
    await promise.finally(() => clearTimeout(timer))
  }
  /** Passes the turn to the first waiting change, so that a new one cannot overtake it. */
  const endTurn = () => {
    const [next] = waiting
    if (!next) return void running--
    waiting.delete(next)
    next.begin()
  }
  return {
    async run(work) {
      await waitForTurn()
      try {
        return await work()
      } finally {
        endTurn()
      }
    },
  }
}
