/** The queue of a deployment whose endpoints are all full: first come, first served, bounded in number and in time. */
import type { AttemptPlan, WaitPlan } from '../../routing/choose/next-attempt.ts'
import type { Permit } from './permit.ts'

/**
 * How a wait ended. `granted`: the permit is the caller's, who must dispose of it, also if the client has left meanwhile.
 * `full`: there was no place; `expired`: it took too long; both are `SATURATED`. `unavailable`: what is waited for is ejected, or
 * takes no requests any more. `left`: `leave` was called.
 */
export type WaitResult =
  | { readonly kind: 'granted'; readonly plan: AttemptPlan; readonly permit: Permit }
  | { readonly kind: 'unavailable'; readonly isEjected: boolean }
  | { readonly kind: 'full' | 'expired' | 'left' }

export interface Wait {
  readonly result: Promise<WaitResult>
  /** The client has gone: gives the place up at once. Nothing happens if the wait is over. */
  leave(): void
}

export class Waiter implements Wait {
  readonly plan: WaitPlan
  readonly prefixHash: number | null
  readonly result: Promise<WaitResult>
  previous: Waiter | null = null
  next: Waiter | null = null
  readonly #resolve: (result: WaitResult) => void
  readonly #room: WaitingRoom
  #timer: NodeJS.Timeout | null = null

  constructor(room: WaitingRoom, plan: WaitPlan, prefixHash: number | null) {
    this.#room = room
    this.plan = plan
    this.prefixHash = prefixHash
    const { promise, resolve } = Promise.withResolvers<WaitResult>()
    this.result = promise
    this.#resolve = resolve
  }

  expireAfter(ms: number): void {
    this.#timer = setTimeout(() => this.end({ kind: 'expired' }), ms)
  }

  leave(): void {
    this.end({ kind: 'left' })
  }

  end(result: WaitResult): void {
    this.#room.remove(this)
    if (this.#timer) clearTimeout(this.#timer)
    this.#resolve(result)
  }
}

/** A linked list, so that one that leaves costs the same wherever it stands. */
export class WaitingRoom {
  #first: Waiter | null = null
  #last: Waiter | null = null
  #size = 0

  get size(): number {
    return this.#size
  }

  get first(): Waiter | null {
    return this.#first
  }

  append(waiter: Waiter): void {
    waiter.previous = this.#last
    if (this.#last) this.#last.next = waiter
    else this.#first = waiter
    this.#last = waiter
    this.#size++
  }

  remove(waiter: Waiter): void {
    if (this.#first !== waiter && !waiter.previous) return
    if (waiter.previous) waiter.previous.next = waiter.next
    else this.#first = waiter.next
    if (waiter.next) waiter.next.previous = waiter.previous
    else this.#last = waiter.previous
    waiter.previous = null
    waiter.next = null
    this.#size--
  }
}
