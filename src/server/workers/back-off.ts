const firstDelayMs = 200
const longestDelayMs = 10_000
const stableAfterMs = 60_000

/** How long to wait before a process that has ended by itself is started again: longer each time that it does not last. */
export class BackOff {
  #failures = 0

  /** `livedMs`: how long it ran. */
  delayMs(livedMs: number): number {
    this.#failures = livedMs > stableAfterMs ? 0 : this.#failures + 1
    return this.#failures === 0 ? 0 : Math.min(longestDelayMs, firstDelayMs * 2 ** (this.#failures - 1))
  }
}
