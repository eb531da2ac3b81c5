import type { RouteChange, TrafficCounters } from '../../gateway/traffic/traffic-counters.ts'
import type { Db } from '../../storage/database/db.ts'
import { deleteOldTraffic, type TrafficRow, upsertTraffic } from '../../storage/traffic/write.ts'
import type { TrafficClock } from './clock.ts'

const rowsPerStatement = 500
const cleanEveryMs = 30_000
/** After the last writing: longer than anything is kept. */
const cleanForMs = 420_000

export interface TrafficWriterOptions {
  readonly gatewayId: string
  readonly db: Db
  readonly counters: TrafficCounters
  /** Whether there is anybody to tell. */
  readonly hasOthers: () => boolean
  /** Milliseconds since the epoch; the clock of `counters`. */
  readonly now: () => number
}

/** Writes what has changed since the last time, if there is anybody to read it; returns whether the database was asked. */
export type TrafficWriter = () => Promise<'asked' | 'not asked'>

/** A writer that has written nothing yet. It throws what the database throws, and then tries the same again next time. */
export function createTrafficWriter(
  { gatewayId, db, counters, hasOthers, now }: TrafficWriterOptions,
  clock: TrafficClock,
): TrafficWriter {
  let mark = 0
  let toldSecond = 0
  let nextCleaningMs = performance.now() + cleanEveryMs
  // A process before this one may have left something.
  let cleanUntilMs = performance.now() + cleanForMs

  const writeRows = async (rows: readonly TrafficRow[]) => {
    const sentMs = now()
    const serverMs = await upsertTraffic(db, gatewayId, rows)
    clock.observe(serverMs, sentMs, now())
  }
  const writeChanges = async () => {
    const second = Math.floor(now() / 1000)
    const changes = counters.changesSince(mark, second !== toldSecond)
    if (changes.routes.length > 0 && !clock.isKnown) await writeRows([])
    const rows = rowsOf(changes.routes, clock.offsetS)
    for (let i = 0; i < rows.length; i += rowsPerStatement) await writeRows(rows.slice(i, i + rowsPerStatement))
    mark = changes.mark
    toldSecond = second
    return changes.routes.length > 0
  }
  const clean = async () => {
    const nowMs = performance.now()
    if (nowMs < nextCleaningMs || nowMs > cleanUntilMs) return false
    nextCleaningMs = nowMs + cleanEveryMs
    await deleteOldTraffic(db)
    return true
  }
  return async () => {
    let hasWritten = false
    if (hasOthers()) hasWritten = await writeChanges()
    // A new listener gets the current value.
    else mark = 0
    if (hasWritten) cleanUntilMs = performance.now() + cleanForMs
    const hasCleaned = await clean()
    return hasWritten || hasCleaned ? 'asked' : 'not asked'
  }
}

function rowsOf(routes: readonly RouteChange[], offsetS: number): TrafficRow[] {
  return routes.flatMap(({ routeId, seconds, inFlight }) =>
    seconds.map((report) => ({ routeId, second: report.second + offsetS, report, inFlight })),
  )
}
