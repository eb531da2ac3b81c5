import type { RouteTrafficReport } from '../../routing/traffic/window.ts'

export interface TrafficWatchOptions {
  readonly routeId: string
  readonly intervalMs: number
  /** Of the route as it is now; undefined: there is none. */
  readonly revision: number | undefined
  /** Brings what `merge` reads up to date. Never rejects, and does not take long. */
  readonly refresh: () => Promise<void>
  readonly merge: () => RouteTrafficReport
  readonly log: { warn(fields: object, message: string): void }
}

interface Listener {
  readonly call: (traffic: RouteTrafficReport) => void
  hasBegun: boolean
}

/** As long as this, those who come get what was computed for the one before. */
const freshForMs = 100

/** One window of one route, computed once per interval for all listeners. Its timer runs until it is disposed. */
export class TrafficWatch implements Disposable {
  readonly routeId: string
  readonly #options: TrafficWatchOptions
  readonly #listeners = new Set<Listener>()
  readonly #timer: NodeJS.Timeout
  #revision: number | undefined
  #latest: RouteTrafficReport | undefined
  #latestAtMs = 0
  #isTicking = false

  constructor(options: TrafficWatchOptions) {
    this.routeId = options.routeId
    this.#options = options
    this.#revision = options.revision
    this.#timer = setInterval(() => void this.#tick(), options.intervalMs)
  }

  get isEmpty(): boolean {
    return this.#listeners.size === 0
  }

  /** Calls `call` soon, then at each tick and revision, until the returned function is called. */
  join(call: (traffic: RouteTrafficReport) => void): () => void {
    const listener: Listener = { call, hasBegun: false }
    this.#listeners.add(listener)
    void this.#begin(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Notifies all listeners at once if the revision of the route has changed. */
  noticeRevision(revision: number | undefined): void {
    if (revision === this.#revision) return
    this.#revision = revision
    this.#tellAll()
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
    this.#listeners.clear()
  }

  async #begin(listener: Listener): Promise<void> {
    await this.#options.refresh()
    if (listener.hasBegun || !this.#listeners.has(listener)) return
    const isFresh = this.#latest && performance.now() - this.#latestAtMs < freshForMs
    this.#tell(listener, isFresh ? this.#latest! : this.#compute())
  }

  async #tick(): Promise<void> {
    if (this.#isTicking) return
    this.#isTicking = true
    await this.#options.refresh()
    this.#isTicking = false
    this.#tellAll()
  }

  #tellAll(): void {
    if (this.isEmpty) return
    const traffic = this.#compute()
    for (const listener of this.#listeners) this.#tell(listener, traffic)
  }

  #compute(): RouteTrafficReport {
    this.#latest = this.#options.merge()
    this.#latestAtMs = performance.now()
    return this.#latest
  }

  #tell(listener: Listener, traffic: RouteTrafficReport): void {
    listener.hasBegun = true
    try {
      listener.call(traffic)
    } catch (error) {
      // The others must not miss it.
      this.#options.log.warn({ err: error }, 'live traffic could not be told to a subscriber')
    }
  }
}
