import { setTimeout as sleep } from 'node:timers/promises'
import { monotonicMs } from '../monotonic.ts'
import type { GatewayLog } from '../ports.ts'
import type { SpoolBatch, SpooledRecord } from './batches-out.ts'
import type { Spool, SpoolState } from './spool.ts'

/** Where the records go; the server plugs the database in. */
export interface UsageStore {
  /** Resolves when the records are safe, however often they are sent. Throws `RefusedRecords` if it will never take them. */
  deliver(records: readonly SpooledRecord[]): Promise<void>
  /** Takes note of how far the spool has been shipped. */
  report(spoolId: string, state: SpoolState): Promise<void>
}

/** At least one of the records will never be taken: sending the same again is useless. */
export class RefusedRecords extends Error {
  override name = 'RefusedRecords'
}

export interface ShipperOptions {
  readonly spool: Spool
  readonly store: UsageStore
  readonly log: GatewayLog
}

/** Ships what the spool holds until it is stopped. */
export interface Shipper {
  /** Ships what is left, but tries no longer than this. Resolves to whether the spool is empty. */
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

export function startShipper({ spool, store, log }: ShipperOptions): Shipper {
  const stopping = new AbortController()
  let deadlineMs = Infinity
  let reportedAtMs = -Infinity
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
      if ((shipped && spool.untaken === 0) || monotonicMs() - reportedAtMs >= reportMs) await report()
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
        if (monotonicMs() - reportedAtMs >= reportMs) await report()
      }
    } finally {
      await Promise.allSettled(underway)
    }
  }

  const ship = async (batch: SpoolBatch): Promise<void> => {
    try {
      await deliver(batch.records)
      batch.commit()
    } catch (error) {
      batch.putBack()
      throw error
    }
  }

  /** One record that is refused must not hold up all others: it is found by halving, and left out. */
  const deliver = async (records: readonly SpooledRecord[]): Promise<void> => {
    try {
      await store.deliver(records)
    } catch (error) {
      if (!(error instanceof RefusedRecords)) throw error
      const { length } = records
      if (length > 1) {
        await deliver(records.slice(0, length >> 1))
        await deliver(records.slice(length >> 1))
      } else {
        spool.countRefused()
        log.error({ err: error, requestId: records[0]?.id }, 'a usage record was refused by the database, and is lost')
      }
    }
  }

  const report = async () => {
    reportedAtMs = monotonicMs()
    await store.report(spool.id, spool.state())
  }

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
      const tooLate = new AbortController()
      await Promise.race([done, sleep(timeoutMs, undefined, { signal: tooLate.signal }).catch(() => undefined)])
      tooLate.abort()
      return spool.state().pending === 0
    },
  }
}
