import { setTimeout as sleep } from 'node:timers/promises'

/** A cached value that is read again on demand when it is old. */
export interface RefreshedValue<Value> {
  /**
   * The value as it was at most two seconds ago, or with `isStale` as it is now. A source that takes longer than a second, or fails, is
   * not waited for: then it is the one before. Never rejects.
   */
  read(isStale: boolean): Promise<Value>
}

const maxAgeMs = 2_000
const patienceMs = 1_000

export function refreshed<Value>(
  initial: Value,
  source: () => Promise<Value>,
  options: {
    /** Whether the source is worth a question at all. */
    readonly canRead: () => boolean
    readonly onError: (error: unknown) => void
  },
): RefreshedValue<Value> {
  let value = initial
  let readAtMs = -Infinity
  let reading: Promise<void> | undefined

  const readNow = async () => {
    const begunAtMs = performance.now()
    value = await source()
    readAtMs = begunAtMs
  }
  const readNext = async () => {
    // The running read may have begun too early.
    await reading
    reading ??= readNow()
      .catch(options.onError)
      .finally(() => (reading = undefined))
    await reading
  }
  return {
    async read(isStale) {
      if (!options.canRead() || (!isStale && performance.now() - readAtMs < maxAgeMs)) return value
      const patience = new AbortController()
      await Promise.race([readNext(), sleep(patienceMs, undefined, { signal: patience.signal }).catch(() => undefined)])
      patience.abort()
      return value
    },
  }
}
