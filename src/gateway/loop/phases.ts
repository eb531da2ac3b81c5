/**
 * What a turn of the event loop brought, done step by step: one step for all requests, then the next one. Each request all the
 * way, one after the other, took a third more of the processor: by the time the next one came, its caches held the code of the
 * last steps, and not of the first.
 */

/** What a step is for. */
interface StepItem {
  /** Called with the error of a step: if it were thrown further, it would end the process with all its streams. */
  fail(error: unknown): void
}

/** A step, and what waits for it. */
class Step<Item extends StepItem> {
  readonly #take: (item: Item) => void
  #waiting: Item[] = []

  constructor(take: (item: Item) => void) {
    this.#take = take
  }

  get isIdle(): boolean {
    return this.#waiting.length === 0
  }

  /** To be done in this turn, when it is this step's time. */
  add(item: Item): void {
    this.#waiting.push(item)
    if (isDue) return
    isDue = true
    setImmediate(runSteps)
  }

  run(): void {
    const items = this.#waiting
    if (items.length === 0) return
    this.#waiting = []
    for (const item of items) {
      try {
        this.#take(item)
      } catch (error) {
        failAlone(item, error)
      }
    }
  }
}

/** Ends what threw, and nothing else. Never throws. */
export function failAlone(item: StepItem, error: unknown): void {
  try {
    item.fail(error)
  } catch (second) {
    // The request could not be ended either. It is written to stderr, because the log itself may be what failed.
    process.emitWarning(second instanceof Error ? second : new Error(String(second)))
  }
}

/** Longer pieces do not wait for their step: they would fill the memory that the steps are to keep free. */
export const maxStagedBytes = 16 * 1024

/** What came from clients is read: requests get their keys, routes and targets. */
export const readClients = new Step<StepItem & { read(): void }>((arrivals) => arrivals.read())
export const sendUpstream = new Step<StepItem & { sendUnsent(): void }>((connection) => connection.sendUnsent())
export const readUpstreams = new Step<StepItem & { read(): void }>((arrivals) => arrivals.read())
/** What came of answers is passed on, or its request ends. */
export const passAnswers = new Step<StepItem & { flush(): void }>((call) => call.flush())
/** The records of requests that ended: their last bytes wait for it. */
export const writeRecords = new Step<StepItem & { flush(): void }>((spool) => spool.flush())
export const sendClients = new Step<StepItem & { sendUnsent(): void }>((connection) => connection.sendUnsent())

const steps = [readClients, sendUpstream, readUpstreams, passAnswers, writeRecords, sendClients]

/** They are about to run, or running. */
let isDue = false
let isRunning = false
/** How often the steps have run. */
let turn = 0

/** To be asked later with `hasReadSince`. */
export function nextRead(): number {
  return isRunning ? turn : turn + 1
}

/** Whether the event loop has polled all sockets since `nextRead` gave this. False also where that is not known. */
export function hasReadSince(read: number): boolean {
  return turn > read
}

function runSteps(): void {
  turn++
  isRunning = true
  for (const step of steps) step.run()
  isRunning = false
  isDue = steps.some(({ isIdle }) => !isIdle)
  if (isDue) setImmediate(runSteps)
}
