import { setTimeout as sleep } from 'node:timers/promises'

export interface UntilOptions {
  /** Stands in the error. */
  readonly what?: string
  readonly timeoutMs?: number
  readonly everyMs?: number
}

/**
 * What `condition` returns once that is neither undefined, null nor false. A condition that throws has not come true yet.
 *
 * Throws after `timeoutMs` (30 s), with the condition's own error as cause.
 */
export async function until<T>(
  condition: () => T | Promise<T>,
  options: UntilOptions = {},
): Promise<Exclude<T, undefined | null | false>> {
  const deadline = performance.now() + (options.timeoutMs ?? 30_000)
  for (;;) {
    const { value, cause } = await attempt(condition)
    if (value !== undefined && value !== null && value !== false) return value as Exclude<T, undefined | null | false>
    if (performance.now() > deadline)
      throw new Error(`waited in vain for ${options.what ?? condition.toString()}`, { cause })
    await sleep(options.everyMs ?? 10)
  }
}

async function attempt<T>(condition: () => T | Promise<T>): Promise<{ value?: T; cause?: unknown }> {
  try {
    return { value: await condition() }
  } catch (cause) {
    return { cause }
  }
}
