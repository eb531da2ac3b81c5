import type { UsageBucket } from '../../../routing/usage/filter.ts'
import { type UsageGrain, usageGrains } from './layers.ts'
import { type BucketStarts, endOfBucket } from './zone-buckets.ts'

/** `[from, to)` in milliseconds since the epoch. */
export interface Range {
  readonly from: number
  readonly to: number
}

/** A part of a range, and what answers for it: the sums of one grain, or the records. */
export interface RangePart extends Range {
  readonly source: UsageGrain | 'RECORDS'
}

const minuteMs = 60_000
const fixedWidthMs = { MINUTE: minuteMs, HOUR: 60 * minuteMs, DAY: 1440 * minuteMs }

/** From where on (milliseconds since the epoch) there is what is kept for a while only. */
export interface UsageRetention {
  readonly recordsFrom: number
  /** The beginning of a UTC day. */
  readonly minutesFrom: number
}

/**
 * The range in parts that do not overlap and leave nothing out: as much as possible from the coarsest grain, the edges from
 * finer ones, and what is less than a minute from the records.
 *
 * Where there are no records a minute belongs to the range that holds its beginning, and where there are no sums by minute an hour
 * does, so that ranges still add up.
 */
export function splitRange(range: Range, coarsest: UsageGrain, kept: UsageRetention): RangePart[] {
  const whole = { from: knownEdge(range.from, kept), to: knownEdge(range.to, kept) }
  return splitBy(usageGrains.slice(0, usageGrains.indexOf(coarsest) + 1), whole)
}

function knownEdge(instant: number, { recordsFrom, minutesFrom }: UsageRetention): number {
  if (instant < minutesFrom) return ceilTo('HOUR', instant)
  return instant < recordsFrom ? ceilTo('MINUTE', instant) : instant
}

/** By the last of these grains, and what it cannot hold by those before. */
function splitBy(grains: readonly UsageGrain[], range: Range): RangePart[] {
  if (range.from >= range.to) return []
  const grain = grains.at(-1)
  if (!grain) return [{ ...range, source: 'RECORDS' }]
  const finer = grains.slice(0, -1)
  const from = ceilTo(grain, range.from)
  const to = floorTo(grain, range.to)
  if (from >= to) return splitBy(finer, range)
  return [
    ...splitBy(finer, { from: range.from, to: from }),
    { from, to, source: grain },
    ...splitBy(finer, { from: to, to: range.to }),
  ]
}

/** The beginning of the instant's bucket, in UTC. */
function floorTo(grain: UsageGrain, instant: number): number {
  if (grain === 'MONTH') return monthStart(instant, 0)
  return Math.floor(instant / fixedWidthMs[grain]) * fixedWidthMs[grain]
}

function ceilTo(grain: UsageGrain, instant: number): number {
  return floorTo(grain, instant) === instant ? instant : nextBucket(grain, instant)
}

/** The beginning of the bucket after the instant's. */
export function nextBucket(grain: UsageGrain, instant: number): number {
  return grain === 'MONTH' ? monthStart(instant, 1) : floorTo(grain, instant) + fixedWidthMs[grain]
}

/** What of the parts lies in the range. */
export function clipParts(parts: readonly RangePart[], range: Range): RangePart[] {
  return parts
    .map((part) => ({ ...part, from: Math.max(part.from, range.from), to: Math.min(part.to, range.to) }))
    .filter((part) => part.from < part.to)
}

/** The range in parts of 2 buckets, then four times as many with each. `starts`: of the buckets, where they are not those of UTC. */
export function listWindows(range: Range, bucket: UsageBucket, starts: BucketStarts | null = null): Range[] {
  if (bucket === 'ALL') return [range]
  const endOf = (instant: number) => (starts ? endOfBucket(starts, instant) : nextBucket(bucket, instant))
  const windows: Range[] = []
  let from = range.from
  for (let buckets = 2; from < range.to; buckets *= 4) {
    let to = from
    for (let n = 0; n < buckets && to < range.to; n++) to = endOf(to)
    windows.push({ from, to: Math.min(to, range.to) })
    from = to
  }
  return windows
}

function monthStart(instant: number, later: number): number {
  const date = new Date(instant)
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + later)
}

/** How many buckets of this width the range touches. */
export function countBuckets(range: Range, bucket: UsageBucket): number {
  if (range.from >= range.to) return 0
  if (bucket === 'ALL') return 1
  const last = range.to - 1
  if (bucket === 'MONTH') return monthNumber(last) - monthNumber(range.from) + 1
  return Math.floor(last / fixedWidthMs[bucket]) - Math.floor(range.from / fixedWidthMs[bucket]) + 1
}

function monthNumber(instant: number): number {
  const date = new Date(instant)
  return date.getUTCFullYear() * 12 + date.getUTCMonth()
}
