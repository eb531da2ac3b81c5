import { monotonicMs } from '../gateway/loop/monotonic.ts'
import { oneLine } from '../routing/errors/shown-text.ts'
import type { DatabaseContact } from '../routing/problems/problem-facts.ts'

/** The time limit of a heartbeat. */
const silentAfterMs = 3_000
const maxErrorLength = 200

/** Tracks whether the database answers, by the heartbeats of this process. */
export class HeartbeatContact {
  #heardAtMs = Date.now()
  #heardAtMonotonicMs = monotonicMs()
  #error: string | null = null

  readonly heard = (): void => {
    this.#heardAtMs = Date.now()
    this.#heardAtMonotonicMs = monotonicMs()
    this.#error = null
  }

  readonly failed = (error: unknown): void => {
    const text = error instanceof Error ? error.message || (error as NodeJS.ErrnoException).code : String(error)
    this.#error = oneLine(text ?? '').slice(0, maxErrorLength) || 'no answer'
  }

  readonly now = (): DatabaseContact => {
    const isSilent = monotonicMs() - this.#heardAtMonotonicMs > silentAfterMs
    if (this.#error === null && !isSilent) return { unreachableSinceMs: null, error: null }
    return { unreachableSinceMs: this.#heardAtMs, error: this.#error ?? 'it does not answer' }
  }
}
