import { calendarDate, dateAt, startOfDate } from '../../../routing/limits/time-zone.ts'
import type { UsageBucket } from '../../../routing/usage/filter.ts'

/** `[from, to)` in milliseconds since the epoch. */
interface Span {
  readonly from: number
  readonly to: number
}

/** When the days or months of a time zone begin that a range touches, ascending: the first one is not behind its beginning. */
export type BucketStarts = readonly number[]

const dayMs = 86_400_000
const hourMs = 3_600_000

/** Null: the buckets are those of UTC. At most `most` and one more. Throws `RangeError` for what is no time zone. */
export function listBucketStarts(
  { from, to }: Span,
  bucket: UsageBucket,
  timeZone: string,
  most: number,
): BucketStarts | null {
  if (timeZone === 'UTC' || (bucket !== 'DAY' && bucket !== 'MONTH')) return null
  const { year, month, day } = dateAt(from, timeZone)
  const starts: number[] = []
  for (let n = 0; starts.length <= most; n++) {
    const date = bucket === 'DAY' ? calendarDate(year, month, day + n) : calendarDate(year, month + n, 1)
    const start = startOfDate(date, timeZone)
    if (start >= to) break
    starts.push(start)
  }
  return starts
}

/** Whether each of them begins with an hour of UTC: sums by the hour then tell them apart. */
export function areWholeHours(starts: BucketStarts): boolean {
  return starts.every((start) => start % hourMs === 0)
}

/** Those that a part of the range touches. */
export function startsWithin(starts: BucketStarts, { from, to }: Span): BucketStarts {
  const first = starts.findLastIndex((start) => start <= from)
  return starts.slice(Math.max(0, first)).filter((start) => start < to)
}

/** Where the bucket ends that holds this instant; of the last one, some instant that is behind its end. */
export function endOfBucket(starts: BucketStarts, instant: number): number {
  return starts.find((start) => start > instant) ?? instant + 32 * dayMs
}
