import { monotonicMs } from '../loop/monotonic.ts'
import { failAlone } from '../loop/phases.ts'
import { type IndexedMember, IndexedSet } from '../loop/indexed-set.ts'

/** What has a deadline. */
export interface DeadlineHolder extends IndexedMember {
  /** The next one (`monotonicMs`); it may move while it is watched. */
  readonly dueAtMs: number
  /** It has passed. Called again at each look until it moves, or the watch ends. */
  checkDeadlines(nowMs: number): void
  /** Told what `checkDeadlines` threw. */
  fail(error: unknown): void
}

const lookEveryMs = 10

/**
 * Looks for deadlines that have passed, about 10 ms after they have. A timer for each would be set, moved and cleared with every
 * request, and hardly one ever fires.
 */
export class DeadlineWatch {
  readonly #watched = new IndexedSet<DeadlineHolder>()
  #timer: NodeJS.Timeout | null = null
  #isChecking = false

  add(one: DeadlineHolder): void {
    this.#watched.add(one)
    this.#timer ??= setInterval(() => this.#look(), lookEveryMs).unref()
  }

  delete(one: DeadlineHolder): void {
    this.#watched.delete(one)
  }

  /** It goes on once more after the last has gone: most often, the next is about to come. */
  #look(): void {
    if (this.#watched.size === 0) return this.#stop()
    const nowMs = monotonicMs()
    if (!this.#isChecking && this.#watched.list().some(({ dueAtMs }) => dueAtMs <= nowMs)) this.#checkAfterRead()
  }

  /**
   * Timers come before sockets. If the process itself was held up, or the machine slept, what is waited for has come long since:
   * it is read first, and what it moves is not due any more. The loop polls between one and the next, and what it brings is read
   * before the last.
   */
  #checkAfterRead(): void {
    this.#isChecking = true
    setImmediate(() => setImmediate(() => this.#checkAll()))
  }

  #checkAll(): void {
    this.#isChecking = false
    const nowMs = monotonicMs()
    for (const one of this.#watched.list()) if (one.dueAtMs <= nowMs) check(one, nowMs)
  }

  #stop(): void {
    if (this.#timer) clearInterval(this.#timer)
    this.#timer = null
  }
}

function check(one: DeadlineHolder, nowMs: number): void {
  try {
    one.checkDeadlines(nowMs)
  } catch (error) {
    failAlone(one, error)
  }
}
