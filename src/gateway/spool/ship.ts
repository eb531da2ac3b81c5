import { setTimeout as sleep } from 'node:timers/promises'
import { monotonicMs } from '../loop/monotonic.ts'
import type { GatewayLog } from '../ports.ts'
import type { SpoolBatch } from './batches-in-flight.ts'
import { Delivery, type UsageStore } from './delivery.ts'
import type { Spool } from './spool.ts'

export interface ShipperOptions {
  readonly spool: Spool
  readonly store: UsageStore
  readonly log: GatewayLog
}

/** Ships what the spool holds until it is stopped. */
export interface Shipper {
  /** Ships what is left, but tries no longer than this. Resolves to whether the spool is empty and the store was told so, with all losses. */
  stop(timeoutMs: number): Promise<boolean>
}

/** More would keep the event loop from requests for too long. */
const maxBatch = 2_000
/** While the database works on one batch, the next is made ready. */
const maxUnderway = 2
/** Records of this time share a batch: one of many costs the database less than several of few. */
const gatherMs = 200
const reportMs = 1_000
const firstRetryMs = 250
const lastRetryMs = 5_000

/** Tells the store how far the spool is, and the spool what time it is there. Throws what the store says. */
export async function reportSpool(spool: Spool, store: UsageStore): Promise<void> {
  const askedAtMs = monotonicMs()
  const state = spool.state()
  const storeMs = await store.report(spool.id, state)
  spool.noteReported(state.losses, storeMs, askedAtMs)
}

export function startShipper({ spool, store, log }: ShipperOptions): Shipper {
  const stopping = new AbortController()
  const delivery = new Delivery(spool, store, log)
  let deadlineMs = Infinity
  let reportedAtMs = -Infinity
  let reporting: Promise<void> | undefined
  let retryMs = firstRetryMs
  let isAway = false

  const loop = async () => {
    while (!isOver()) {
      const worked = await attempt()
      await pause(worked ? gatherMs : retryMs * (0.75 + Math.random() / 2))
    }
  }

  /** Whether the store took what there was. */
  const attempt = async (): Promise<boolean> => {
    try {
      const shipped = await shipAll()
      if (shipped && spool.untaken === 0) await report()
      if (isAway) log.info({ pending: spool.state().pending }, 'usage records are shipped again')
      isAway = false
      retryMs = firstRetryMs
      return true
    } catch (error) {
      if (!isAway)
        log.warn({ err: error, pending: spool.state().pending }, 'usage records wait: they cannot be shipped')
      isAway = true
      retryMs = Math.min(lastRetryMs, retryMs * 2)
      return false
    }
  }

  const shipAll = async (): Promise<boolean> => {
    const underway: Promise<void>[] = []
    let shipped = false
    /** All there was is taken: what comes meanwhile is gathered for the next time. */
    let hasAll = false
    try {
      for (;;) {
        while (!hasAll && underway.length < maxUnderway && monotonicMs() < deadlineMs) {
          const batch = spool.take(maxBatch)
          if (!batch) break
          hasAll = batch.isLast
          const shipping = ship(batch)
          // It may fail before its turn to be waited for has come.
          shipping.catch(() => {})
          underway.push(shipping)
        }
        if (underway.length === 0) return shipped
        await underway[0]
        void underway.shift()
        shipped = true
        retryMs = firstRetryMs
      }
    } finally {
      await Promise.allSettled(underway)
    }
  }

  const ship = async (batch: SpoolBatch): Promise<void> => {
    try {
      await delivery.deliver(batch)
      batch.commit()
    } catch (error) {
      batch.putBack()
      throw error
    }
  }

  /** One at a time, or an older state could be told last. */
  const report = (): Promise<void> => {
    const before = reporting ?? Promise.resolve()
    const own = before
      .catch(() => undefined)
      .then(() => {
        reportedAtMs = monotonicMs()
        return reportSpool(spool, store)
      })
      .finally(() => {
        if (reporting === own) reporting = undefined
      })
    reporting = own
    return own
  }

  /** Reports even if no records can be sent: a silent gateway is forgotten, and a batch may take long. */
  const reportTimer = setInterval(() => {
    if (!reporting && monotonicMs() - reportedAtMs >= reportMs) report().catch(() => undefined)
  }, gatherMs)
  reportTimer.unref()

  const isOver = () => stopping.signal.aborted && (spool.state().pending === 0 || monotonicMs() >= deadlineMs)

  const pause = async (ms: number) => {
    if (stopping.signal.aborted) await sleep(Math.min(ms, firstRetryMs))
    else await sleep(ms, undefined, { signal: stopping.signal }).catch(() => undefined)
  }

  const done = loop()
  return {
    async stop(timeoutMs) {
      deadlineMs = monotonicMs() + timeoutMs
      stopping.abort()
      await isInTime(done, deadlineMs)
      clearInterval(reportTimer)
      // Behind one that is under way: it would arrive after the caller has said that nobody need wait for this spool.
      const isReported = await isInTime(report(), deadlineMs)
      return isReported && spool.state().pending === 0
    },
  }
}

/** Whether it succeeded before the deadline. */
async function isInTime(work: Promise<void>, deadlineMs: number): Promise<boolean> {
  const tooLate = new AbortController()
  const late = sleep(Math.max(0, deadlineMs - monotonicMs()), false, { signal: tooLate.signal }).catch(() => false)
  const succeeded = work.then(
    () => true,
    () => false,
  )
  const isDone = await Promise.race([succeeded, late])
  tooLate.abort()
  return isDone
}
