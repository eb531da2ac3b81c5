import type { Unsubscribe } from './ports.ts'

/** Which event is dropped when the queue of a slow reader is full. */
export type OverflowPolicy = 'DROP_OLDEST' | 'DROP_NEWEST'

/**
 * The events of one subscription, from the callers of `push` to the reader. Its memory is bounded; `dropped` counts the events that did
 * not fit. When either side ends, the other one ends at once, also while it waits.
 */
export class EventQueue<Event> implements AsyncIterableIterator<Event> {
  /** Events that did not fit since this was last set to 0. */
  dropped = 0
  readonly #capacity: number
  readonly #overflow: OverflowPolicy
  readonly #events: Event[] = []
  readonly #cleanUps = new Set<Unsubscribe>()
  #waiting: PromiseWithResolvers<IteratorResult<Event>> | undefined
  #isOver = false

  constructor(capacity: number, overflow: OverflowPolicy) {
    this.#capacity = capacity
    this.#overflow = overflow
  }

  /** Whether the queue takes no more events. */
  get isOver(): boolean {
    return this.#isOver
  }

  /** Calls `cleanUp` when the queue ends; at once if it has ended. */
  onEnd(cleanUp: Unsubscribe): void {
    if (this.#isOver) cleanUp()
    else this.#cleanUps.add(cleanUp)
  }

  /** Adds an event. Returns whether the reader will get it. */
  push(event: Event): boolean {
    if (this.#isOver) return false
    if (this.#waiting) {
      this.#waiting.resolve({ done: false, value: event })
      this.#waiting = undefined
      return true
    }
    if (this.#events.length === this.#capacity) {
      this.dropped++
      if (this.#overflow === 'DROP_NEWEST') return false
      this.#events.shift()
    }
    this.#events.push(event)
    return true
  }

  /** Ends the queue. The reader still gets `last`, but no other waiting event. */
  end(last?: Event): void {
    if (this.#isOver) return
    if (last !== undefined) {
      this.#events.length = 0
      this.push(last)
    }
    this.#finish()
  }

  next(): Promise<IteratorResult<Event>> {
    const [event] = this.#events.splice(0, 1)
    if (event !== undefined) return Promise.resolve({ done: false, value: event })
    if (this.#isOver) return Promise.resolve({ done: true, value: undefined })
    this.#waiting ??= Promise.withResolvers()
    return this.#waiting.promise
  }

  /** The same events without those for which `isWanted` is false at the time of the read. */
  only(isWanted: (event: Event) => boolean): AsyncIterableIterator<Event> {
    const next = async (): Promise<IteratorResult<Event>> => {
      for (;;) {
        const event = await this.next()
        if (event.done || isWanted(event.value)) return event
      }
    }
    return {
      next,
      return: () => this.return(),
      [Symbol.asyncIterator]() {
        return this
      },
    }
  }

  return(): Promise<IteratorResult<Event>> {
    this.#events.length = 0
    this.#finish()
    return Promise.resolve({ done: true, value: undefined })
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  #finish(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#waiting?.resolve({ done: true, value: undefined })
    this.#waiting = undefined
    for (const cleanUp of this.#cleanUps) cleanUp()
    this.#cleanUps.clear()
  }
}
