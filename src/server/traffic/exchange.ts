import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import type { GatewayTraffic } from '../../routing/traffic/report.ts'
import { readTraffic } from '../../storage/traffic/read.ts'
import { createTrafficCache } from './cache.ts'
import { createTrafficClock } from './clock.ts'
import { createTrafficWriter, type TrafficWriterOptions } from './writer.ts'

/** Exchanges traffic between this gateway and the others through the database. */
export interface TrafficExchange extends AsyncDisposable {
  /**
   * Resolves when the others' traffic of the window is known as it was a moment ago, at the latest after a quarter of a
   * second: then what is known has to do. Never rejects. However many ask at once, it is one statement.
   */
  refresh(routeId: string, windowMs: number): Promise<void>
  /** The known traffic of the other gateways, by gateway, without empty ones. */
  read(routeId: string): ReadonlyMap<string, GatewayTraffic>
  /** Whether the database answered when it was last asked. */
  readonly isReachable: boolean
}

export interface TrafficExchangeOptions extends TrafficWriterOptions {
  readonly log: { info(fields: object, message: string): void; warn(fields: object, message: string): void }
}

const writeEveryMs = 300
/** Writes take at most a tenth of the time; otherwise a gateway with very many routes would do little else. */
const pausePerWriting = 9
const longestPauseMs = 5_000
const refreshLimitMs = 250
const freshForMs = 100
const lastWritingMs = 1_000

export function openTrafficExchange(options: TrafficExchangeOptions): TrafficExchange {
  const { gatewayId, db, log } = options
  const cache = createTrafficCache()
  const clock = createTrafficClock()
  const write = createTrafficWriter(options, clock)
  const closing = new AbortController()
  let isReachable = true
  /** By route, the window that the next reading must cover. */
  let wanted = new Map<string, number>()
  let reading: Promise<void> = Promise.resolve()
  let nextReading: Promise<void> | undefined

  const attempt = async (work: () => Promise<'asked' | 'not asked'>) => {
    try {
      if ((await work()) === 'not asked') return
      if (!isReachable) log.info({}, 'live traffic is exchanged with the other gateways again')
      isReachable = true
    } catch (error) {
      if (isReachable) log.warn({ err: error }, 'live traffic cannot be exchanged with the other gateways')
      isReachable = false
    }
  }
  const readWanted = async () => {
    const askedAtMs = performance.now()
    const queries = Array.from(wanted, ([routeId, windowMs]) => cache.queryFor(routeId, windowMs, askedAtMs))
    wanted = new Map()
    const sentMs = options.now()
    const answer = await readTraffic(db, gatewayId, queries)
    clock.observe(answer.nowMs, sentMs, options.now())
    cache.put(queries, answer, askedAtMs)
    return 'asked' as const
  }
  const readNext = async () => {
    await reading
    // Those who ask in the same turn of the event loop share the statement.
    await nextTurn()
    nextReading = undefined
    reading = attempt(readWanted)
    await reading
  }
  const keepWriting = async () => {
    while (!closing.signal.aborted) {
      const begunAtMs = performance.now()
      await attempt(write)
      const pauseMs = Math.max(writeEveryMs, (performance.now() - begunAtMs) * pausePerWriting)
      await sleep(Math.min(pauseMs, longestPauseMs), undefined, { signal: closing.signal }).catch(() => undefined)
    }
  }

  const writing = keepWriting()
  return {
    get isReachable() {
      return isReachable
    },
    read: (routeId) => cache.read(routeId, clock.offsetS, performance.now()),
    async refresh(routeId, windowMs) {
      if (closing.signal.aborted || cache.has(routeId, windowMs, performance.now() - freshForMs)) return
      wanted.set(routeId, Math.max(windowMs, wanted.get(routeId) ?? 0))
      nextReading ??= readNext()
      await atMost(refreshLimitMs, nextReading)
    },
    async [Symbol.asyncDispose]() {
      closing.abort()
      // The database may hang: then the last counts are lost.
      await atMost(
        lastWritingMs,
        writing.then(() => attempt(write)),
      )
    },
  }
}

/** Waits for `work`, but no longer than this. `work` never rejects. */
async function atMost(limitMs: number, work: Promise<void>): Promise<void> {
  const limit = new AbortController()
  const late = sleep(limitMs, undefined, { signal: limit.signal }).catch(() => undefined)
  await Promise.race([work, late])
  limit.abort()
}
