import type { BudgetPeriod } from './limit.ts'
import { type CalendarDate, calendarDate, dateAt, startOfDate, weekdayOf } from './time-zone.ts'

/** Instants in milliseconds since the epoch. The end is exclusive; null if the period has no end. */
export interface PeriodRange {
  readonly startMs: number
  readonly endMs: number | null
}

const everything: PeriodRange = { startMs: 0, endMs: null }
const hourMs = 3_600_000
const maxKnown = 1_000
/** The last ranges by period and time zone, cached because each request needs them. */
const known = new Map<string, PeriodRange & { readonly endMs: number }>()

/** A budget may be raised before its next period. */
const longestRetryAfterMs = 86_400_000

/** What a client is told of a budget's next period, which begins in so many milliseconds (`Infinity`: never); null: it need not come again. */
export function periodRetryAfterMs(untilNextMs: number): number | null {
  return untilNextMs === Infinity ? null : Math.min(Math.max(untilNextMs, 1_000), longestRetryAfterMs)
}

/**
 * The period of a budget that an instant belongs to, by the calendar of a time zone. Periods touch and do not overlap, whatever the
 * clocks there do. `TOTAL` begins with the epoch and never ends.
 */
export function periodAt(period: BudgetPeriod, timeZone: string, instantMs: number): PeriodRange {
  if (period === 'TOTAL') return everything
  const key = `${period} ${timeZone}`
  const last = known.get(key)
  if (last && instantMs >= last.startMs && instantMs < last.endMs) return last
  const range = findPeriod(period, timeZone, instantMs)
  if (known.size >= maxKnown) known.clear()
  known.set(key, range)
  return range
}

function findPeriod(period: Exclude<BudgetPeriod, 'TOTAL'>, timeZone: string, instantMs: number) {
  const startOf = (date: CalendarDate) => startOfDate(date, timeZone)
  // Clocks that go back over midnight show yesterday's date in a day that has begun.
  const candidates = [instantMs - 3 * hourMs, instantMs, instantMs + 3 * hourMs]
    .map((nearMs) => firstDateOf(period, dateAt(nearMs, timeZone)))
    .filter((first) => startOf(first) <= instantMs)
  const first = candidates.at(-1)!
  return { startMs: startOf(first), endMs: endAfter(period, first, startOf) }
}

/** A date may be no day of its place, where clocks skip one: its period is empty then, and the next one counts. */
function endAfter(
  period: Exclude<BudgetPeriod, 'TOTAL'>,
  first: CalendarDate,
  startOf: (date: CalendarDate) => number,
): number {
  const startMs = startOf(first)
  let next = nextOf(period, first)
  while (startOf(next) <= startMs) next = nextOf(period, next)
  return startOf(next)
}

function firstDateOf(period: Exclude<BudgetPeriod, 'TOTAL'>, date: CalendarDate): CalendarDate {
  const { year, month, day } = date
  switch (period) {
    case 'DAY':
      return date
    case 'WEEK':
      return calendarDate(year, month, day - weekdayOf(date))
    case 'MONTH':
      return { year, month, day: 1 }
    case 'QUARTER':
      return { year, month: month - ((month - 1) % 3), day: 1 }
    case 'YEAR':
      return { year, month: 1, day: 1 }
  }
}

function nextOf(period: Exclude<BudgetPeriod, 'TOTAL'>, { year, month, day }: CalendarDate): CalendarDate {
  switch (period) {
    case 'DAY':
      return calendarDate(year, month, day + 1)
    case 'WEEK':
      return calendarDate(year, month, day + 7)
    case 'MONTH':
      return calendarDate(year, month + 1, day)
    case 'QUARTER':
      return calendarDate(year, month + 3, day)
    case 'YEAR':
      return calendarDate(year + 1, month, day)
  }
}
