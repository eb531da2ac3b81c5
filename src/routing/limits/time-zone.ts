/** Calendar dates in time zones. The rules are those of the ICU data that Node carries. */

const dayMs = 86_400_000
const maxFormats = 500
const formats = new Map<string, Intl.DateTimeFormat>()

/** A day of the proleptic Gregorian calendar; months count from 1. */
export interface CalendarDate {
  readonly year: number
  readonly month: number
  readonly day: number
}

/** Whether this is the name of a time zone of the IANA database. Offsets such as `+02:00` are no names. */
export function isTimeZone(name: string): boolean {
  if (!/^[A-Za-z][A-Za-z0-9_+/-]{0,63}$/.test(name)) return false
  try {
    formatOf(name)
    return true
  } catch {
    return false
  }
}

/** The date in a time zone at an instant (milliseconds since the epoch). */
export function dateAt(instantMs: number, timeZone: string): CalendarDate {
  return dateOf(localMs(instantMs, timeZone))
}

/** The date that is so many days later; months and days outside of the calendar are carried over. */
export function calendarDate(year: number, month: number, day: number): CalendarDate {
  return dateOf(Date.UTC(year, month - 1, day))
}

/** 0 for Monday to 6 for Sunday. */
export function weekdayOf({ year, month, day }: CalendarDate): number {
  return (new Date(Date.UTC(year, month - 1, day)).getUTCDay() + 6) % 7
}

/**
 * The first instant of a date in a time zone, in milliseconds since the epoch: the first midnight where clocks go back over it,
 * the end of the gap where they skip it.
 */
export function startOfDate({ year, month, day }: CalendarDate, timeZone: string): number {
  const midnight = Date.UTC(year, month - 1, day)
  const before = offsetAt(midnight - dayMs, timeZone)
  const after = offsetAt(midnight + dayMs, timeZone)
  const midnights = [midnight - before, midnight - after].filter(
    (instantMs) => localMs(instantMs, timeZone) === midnight,
  )
  if (midnights.length > 0) return Math.min(...midnights)
  return firstWithOffset(midnight - after, midnight - before, after, timeZone)
}

/** The first instant in a range, at whose end the offset is this one, from which on it is. */
function firstWithOffset(fromMs: number, toMs: number, offsetMs: number, timeZone: string): number {
  let low = fromMs
  let high = toMs
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    if (offsetAt(middle, timeZone) === offsetMs) high = middle
    else low = middle + 1
  }
  return high
}

/** The offset of a time zone from UTC, in milliseconds. */
function offsetAt(instantMs: number, timeZone: string): number {
  return localMs(instantMs, timeZone) - instantMs
}

/** The local time of a time zone, read as if it were UTC. */
function localMs(instantMs: number, timeZone: string): number {
  const parts = { year: 0, month: 0, day: 0, hour: 0, minute: 0, second: 0 }
  for (const { type, value } of formatOf(timeZone).formatToParts(instantMs))
    if (type in parts) parts[type as keyof typeof parts] = Number(value)
  const { year, month, day, hour, minute, second } = parts
  const millisecond = ((instantMs % 1_000) + 1_000) % 1_000
  return Date.UTC(year, month - 1, day, hour, minute, second) + millisecond
}

function dateOf(shownMs: number): CalendarDate {
  const date = new Date(shownMs)
  return { year: date.getUTCFullYear(), month: date.getUTCMonth() + 1, day: date.getUTCDate() }
}

/**
 * The cached format of a time zone, because creating one costs a hundred times as much as using it. Throws `RangeError` if the time
 * zone is unknown.
 */
function formatOf(timeZone: string): Intl.DateTimeFormat {
  let format = formats.get(timeZone)
  if (format) return format
  const numeric = 'numeric'
  format = new Intl.DateTimeFormat('en-US-u-ca-iso8601', {
    timeZone,
    hourCycle: 'h23',
    year: numeric,
    month: numeric,
    day: numeric,
    hour: numeric,
    minute: numeric,
    second: numeric,
  })
  if (formats.size >= maxFormats) formats.clear()
  formats.set(timeZone, format)
  return format
}
