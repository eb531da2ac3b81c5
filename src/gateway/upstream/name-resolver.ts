/** Addresses of names. The system's own resolver is asked: it knows `/etc/hosts`, search domains and whatever else is configured. */
import { ADDRCONFIG, lookup as lookUp, type LookupAddress, type LookupOptions } from 'node:dns'
import { monotonicMs } from '../loop/monotonic.ts'

type Failure = NodeJS.ErrnoException
export type NameAnswer = (error: Failure | null, addresses: readonly LookupAddress[]) => void

/** Looks a name up: it may take as long as it likes, and calls back once. */
export type Resolve = (name: string, answer: NameAnswer) => void

/** Milliseconds. */
export interface NameTimes {
  /** An answer is used for so long without being asked for again. The system does not tell how long it holds. */
  readonly freshMs: number
  /** For so long it is used at once, and a new one awaited behind that. */
  readonly staleMs: number
  /** An older one, for so long, is used if a new one has not come within `patienceMs`. */
  readonly keptMs: number
  readonly patienceMs: number
  /** A failure is not asked for again for so long. */
  readonly failedMs: number
  /** Nobody waits for a look-up for longer than this; its answer is kept when it comes. */
  readonly longestWaitMs: number
  /** A look-up that took so long is slow: slow ones take no more than half of the places. */
  readonly slowMs: number
  /** Longest wait for a place. */
  readonly queuedMs: number
}

const defaultTimes: NameTimes = {
  freshMs: 10_000,
  staleMs: 60_000,
  keptMs: 3_600_000,
  patienceMs: 500,
  failedMs: 1_000,
  longestWaitMs: 20_000,
  slowMs: 2_000,
  queuedMs: 2_000,
}

/** More names are looked up as well, but those that nobody asked for are forgotten. */
const maxNames = 4_096

/** A look-up that never began, since all places were taken: it says nothing about the name. See `isLocalShortage`. */
export const resolverBusy = 'ERR_RESOLVER_BUSY'

interface Name {
  readonly name: string
  addresses: readonly LookupAddress[] | null
  answeredAtMs: number
  /** Why the last look-up failed; null: it did not. */
  failure: Failure | null
  failedAtMs: number
  /** A connection to it failed, so that its addresses may be others by now. */
  isDoubtful: boolean
  /** The new answer has taken longer than anybody waits for it who can have an old one. A timer may end a little early. */
  isOverdue: boolean
  wasSlow: boolean
  state: 'known' | 'queued' | 'pending'
  /** Since when it is `queued` or `pending`. */
  sinceMs: number
  waiting: NameAnswer[]
  timers: NodeJS.Timeout[]
}

/**
 * One look-up of a name at a time, for all who ask. Answers are kept, and used while new ones are awaited. A look-up may hang for
 * half a minute and holds a thread meanwhile: so many may run at once, and never so many that no thread is left for others.
 */
export class NameResolver {
  readonly #resolve: Resolve
  readonly #maxAtOnce: number
  readonly #times: NameTimes
  /** By when they were asked for last. */
  readonly #names = new Map<string, Name>()
  readonly #queue: Name[] = []
  #running = 0
  #slow = 0

  constructor(resolve: Resolve, maxAtOnce: number, times: Partial<NameTimes> = {}) {
    this.#resolve = resolve
    this.#maxAtOnce = maxAtOnce
    this.#times = { ...defaultTimes, ...times }
  }

  /** Calls back once, and not before this has returned. */
  lookUp(text: string, answer: NameAnswer): void {
    const name = this.#take(text.toLowerCase())
    const known = this.#known(name)
    if (known) return process.nextTick(answer, ...known)
    name.waiting.push(answer)
    if (name.state === 'known') this.#begin(name)
  }

  /** A connection to the name failed: it is asked for again before its addresses are used once more. */
  doubt(text: string): void {
    const name = this.#names.get(text.toLowerCase())
    if (name) name.isDoubtful = true
  }

  #take(text: string): Name {
    const name = this.#names.get(text) ?? createName(text)
    this.#names.delete(text)
    this.#names.set(text, name)
    if (this.#names.size > maxNames) this.#forgetOldest()
    return name
  }

  #forgetOldest(): void {
    for (const [text, { state }] of this.#names) {
      if (state === 'known') return void this.#names.delete(text)
    }
  }

  /** What is said at once; null: it has to be waited for. */
  #known(name: Name): Parameters<NameAnswer> | null {
    const nowMs = monotonicMs()
    const ageMs = nowMs - name.answeredAtMs
    const forMs = nowMs - name.sinceMs
    const { freshMs, staleMs, keptMs, patienceMs, failedMs, longestWaitMs, queuedMs } = this.#times
    if (name.addresses && !name.isDoubtful && ageMs < staleMs) {
      if (ageMs >= freshMs && name.state === 'known') this.#begin(name)
      return [null, name.addresses]
    }
    if (name.state !== 'known') {
      if (name.addresses && ageMs < keptMs && (name.isOverdue || forMs >= patienceMs)) return [null, name.addresses]
      if (name.state === 'queued') return forMs >= queuedMs ? [busy(name.name), []] : null
      return forMs >= longestWaitMs ? [timedOut(name.name), []] : null
    }
    if (name.failure === null || nowMs - name.failedAtMs >= failedMs) return null
    return name.addresses && ageMs < keptMs ? [null, name.addresses] : [name.failure, []]
  }

  #begin(name: Name): void {
    if (this.#hasPlace(name)) return this.#start(name)
    name.state = 'queued'
    name.isOverdue = false
    name.sinceMs = monotonicMs()
    this.#queue.push(name)
    this.#after(name, this.#times.patienceMs, () => this.#useOld(name))
    this.#after(name, this.#times.queuedMs, () => this.#answer(name, [busy(name.name), []]))
  }

  #hasPlace({ wasSlow }: Name): boolean {
    return this.#running < this.#maxAtOnce && (!wasSlow || this.#slow < Math.ceil(this.#maxAtOnce / 2))
  }

  #start(name: Name): void {
    const { patienceMs, slowMs, longestWaitMs } = this.#times
    const startedAtMs = monotonicMs()
    const isSlow = name.wasSlow
    this.#running++
    if (isSlow) this.#slow++
    name.state = 'pending'
    name.isOverdue = false
    name.sinceMs = startedAtMs
    clearTimers(name)
    this.#after(name, patienceMs, () => this.#useOld(name))
    this.#after(name, longestWaitMs, () => this.#answer(name, [timedOut(name.name), []]))
    this.#resolve(name.name, (error, addresses) => {
      this.#running--
      if (isSlow) this.#slow--
      name.wasSlow = monotonicMs() - startedAtMs >= slowMs
      this.#end(name, error, addresses)
      this.#startNext()
    })
  }

  #after(name: Name, ms: number, act: () => void): void {
    name.timers.push(setTimeout(act, ms).unref())
  }

  /** A new answer takes its time: the old one has to do. */
  #useOld(name: Name): void {
    name.isOverdue = true
    const isKept = monotonicMs() - name.answeredAtMs < this.#times.keptMs
    if (name.addresses && isKept) this.#answer(name, [null, name.addresses])
  }

  #end(name: Name, error: Failure | null, addresses: readonly LookupAddress[]): void {
    clearTimers(name)
    name.state = 'known'
    name.failure = error
    name.isDoubtful = false
    if (error) this.#noteFailure(name, error)
    else {
      name.addresses = addresses
      name.answeredAtMs = monotonicMs()
    }
    this.#answer(name, name.addresses ? [null, name.addresses] : [error, []])
  }

  /** "No such name" is an answer. If the name server fails, the known addresses stay valid. */
  #noteFailure(name: Name, error: Failure): void {
    name.failedAtMs = monotonicMs()
    const isTooOld = name.failedAtMs - name.answeredAtMs >= this.#times.keptMs
    if (error.code === 'ENOTFOUND' || isTooOld) name.addresses = null
  }

  #startNext(): void {
    const at = this.#queue.findIndex((name) => this.#hasPlace(name))
    if (at >= 0) this.#start(this.#queue.splice(at, 1)[0]!)
  }

  #answer(name: Name, answer: Parameters<NameAnswer>): void {
    for (const waiting of name.waiting.splice(0)) process.nextTick(waiting, ...answer)
  }
}

function createName(name: string): Name {
  return {
    name,
    addresses: null,
    answeredAtMs: -Infinity,
    failure: null,
    failedAtMs: -Infinity,
    isDoubtful: false,
    isOverdue: false,
    wasSlow: false,
    state: 'known',
    sinceMs: 0,
    waiting: [],
    timers: [],
  }
}

function clearTimers(name: Name): void {
  for (const timer of name.timers.splice(0)) clearTimeout(timer)
}

function timedOut(name: string): Failure {
  return Object.assign(new Error(`the look-up of ${name} takes too long`), { code: 'EAI_AGAIN' })
}

function busy(name: string): Failure {
  return Object.assign(new Error(`no look-up of ${name}: too many others hang`), { code: resolverBusy })
}

/** A replacement of `dns.lookup` for opening sockets. */
export function lookupBy(names: NameResolver) {
  return (hostname: string, options: LookupOptions, callback: LookupCallback): void => {
    names.lookUp(hostname, (error, addresses) => {
      if (error) return callback(error, [])
      answerLookup(hostname, options, addresses, callback)
    })
  }
}

export type LookupCallback = (
  error: NodeJS.ErrnoException | null,
  address: string | LookupAddress[],
  family?: number,
) => void

/** Answers with those addresses that the options ask for. */
export function answerLookup(
  hostname: string,
  { all, family }: LookupOptions,
  addresses: readonly LookupAddress[],
  callback: LookupCallback,
): void {
  const wanted = family === 4 || family === 6 ? addresses.filter((one) => one.family === family) : addresses
  const [first] = wanted
  if (!first) callback(Object.assign(new Error(`${hostname} has no such address`), { code: 'ENOTFOUND' }), [])
  else if (all) callback(null, [...wanted])
  else callback(null, first.address, first.family)
}

/** As sockets ask for them: no addresses of a family that this machine has not. */
function resolveBySystem(name: string, answer: NameAnswer): void {
  lookUp(name, { all: true, hints: ADDRCONFIG }, (error, addresses) => answer(error, addresses ?? []))
}

/**
 * libuv gives look-ups half of its threads. A quarter of that half is left to those who ask the system by themselves. The number
 * of threads is set where the program begins (`thread-pool.ts`).
 */
function maxLookups(): number {
  const threads = Number(process.env['UV_THREADPOOL_SIZE']) || 4
  const half = Math.floor((threads + 1) / 2)
  return Math.max(1, half - Math.floor(half / 4))
}

/** Of the process: its threads are shared, and so are the answers. */
export const systemNameResolver = new NameResolver(resolveBySystem, maxLookups())
