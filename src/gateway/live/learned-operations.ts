import type { Backend, Snapshot } from '../../routing/config/snapshot.ts'
import { monotonicMs } from '../loop/monotonic.ts'

/** A server that is replaced by a newer version may serve what the old one did not. */
const rememberedMs = 600_000
const mostRemembered = 4_096

/** What backends answered with 404 or 405 for the path: not sent to them again for ten minutes. In memory that is bounded. */
export class LearnedOperations {
  readonly #now: () => number
  /** By backend and operation, the oldest first: until when it holds. */
  readonly #until = new Map<string, number>()
  /** The snapshot's backends of which it was learned: of one that has changed since, nothing is known. */
  readonly #backends = new Map<string, Backend>()

  constructor(now: () => number = monotonicMs) {
    this.#now = now
  }

  get size(): number {
    return this.#until.size
  }

  learn(backend: Backend, operation: string): void {
    const key = keyOf(backend.id, operation)
    this.#backends.set(backend.id, backend)
    this.#until.delete(key)
    this.#until.set(key, this.#now() + rememberedMs)
    for (const oldest of this.#until.keys()) {
      if (this.#until.size <= mostRemembered) return
      this.#until.delete(oldest)
    }
  }

  /** Forgets what was learned of backends that have changed: another address, or another list of operations. */
  follow(snapshot: Snapshot): void {
    for (const [id, backend] of this.#backends) if (snapshot.backends.get(id) !== backend) this.#forget(id)
  }

  isRefused(backendId: string, operation: string): boolean {
    if (this.#until.size === 0) return false
    const untilMs = this.#until.get(keyOf(backendId, operation))
    return untilMs !== undefined && this.#now() < untilMs
  }

  /** Forgets what holds no longer. */
  sweep(): void {
    const nowMs = this.#now()
    for (const [key, untilMs] of this.#until) if (untilMs <= nowMs) this.#until.delete(key)
    for (const id of this.#backends.keys()) if (!this.#keysOf(id).length) this.#backends.delete(id)
  }

  #forget(backendId: string): void {
    for (const key of this.#keysOf(backendId)) this.#until.delete(key)
    this.#backends.delete(backendId)
  }

  #keysOf(backendId: string): readonly string[] {
    return [...this.#until.keys()].filter((key) => key.startsWith(`${backendId} `))
  }
}

function keyOf(backendId: string, operation: string): string {
  return `${backendId} ${operation}`
}
