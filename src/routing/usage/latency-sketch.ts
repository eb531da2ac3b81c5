/**
 * A histogram of durations whose bins grow by a constant factor, so that every quantile is within a relative error of
 * 4.5 % however many values went in: Masson, Rim, Lee, "DDSketch" (VLDB 2019, https://arxiv.org/abs/1908.10693). Sketches
 * are merged by adding the counts of each bin.
 */

/** Bins are numbered from 0 and fit into a byte. */
export const latencyBinCount = 256

const relativeError = 0.045
const smallestMs = 0.01
const growth = (1 + relativeError) / (1 - relativeError)
const perLogGrowth = 1 / Math.log(growth)

/** The parameters of `latencyBin`, for the same computation in SQL. */
export const latencySketch = { smallestMs, perLogGrowth }

/** The bin of a duration: 10 µs and less go into the first, a day and more into the last. */
export function latencyBin(ms: number): number {
  if (!(ms > smallestMs)) return 0
  return Math.min(latencyBinCount - 1, Math.ceil(Math.log(ms / smallestMs) * perLogGrowth))
}

/** The duration that stands for all of a bin, in milliseconds. */
function latencyOfBin(bin: number): number {
  return bin === 0 ? smallestMs : (smallestMs * 2 * growth ** bin) / (growth + 1)
}

/** In milliseconds. */
export interface Percentiles {
  readonly p50: number
  readonly p95: number
  readonly p99: number
}

const msOfBin = Array.from({ length: latencyBinCount }, (_, bin) => roundMs(latencyOfBin(bin)))

/** Percentiles by nearest rank from the counts of the bins `begin` to before `end`; null without any value. */
export function percentilesOf(counts: ArrayLike<number>, begin = 0, end = counts.length): Percentiles | null {
  let total = 0
  for (let bin = begin; bin < end; bin++) total += counts[bin]!
  if (total === 0) return null
  let bin = begin
  let seen = counts[bin]!
  // Each quantile is in the bin of the one before it, or in a later bin.
  const msOf = (quantile: number): number => {
    while (seen < quantile * total && bin < end - 1) seen += counts[++bin]!
    return msOfBin[bin]!
  }
  return { p50: msOf(0.5), p95: msOf(0.95), p99: msOf(0.99) }
}

/** Rounds to the digits that the relative error justifies. */
function roundMs(ms: number): number {
  return Number(ms.toPrecision(4))
}
