import { type RawBuilder, sql } from 'kysely'
import { latencyBinCount, latencySketch } from '../routing/latency-sketch.ts'

/**
 * Latency sketches as the database keeps them: one whole number with so many decimal digits for each bin, the first bin last.
 * Sketches are merged by adding the numbers, which is what databases are good at.
 */
const digitsPerBin = 12

const ofBin = Array.from({ length: latencyBinCount }, (_, bin) => `1e${bin * digitsPerBin}`)

/** The sketch of one value. */
export function sketchOfBin(bin: number): string {
  return ofBin[bin]!
}

/** The sketch of one value, or of none: `latencyBin` in SQL. */
export function sketchOfMs(ms: RawBuilder<unknown>): RawBuilder<unknown> {
  const { smallestMs, perLogGrowth } = latencySketch
  const bin = sql`case
    when ${ms} <= ${sql.lit(smallestMs)} then 0
    else least(${sql.lit(latencyBinCount - 1)}, ceil(ln(${ms} / ${sql.lit(smallestMs)}) * ${sql.lit(perLogGrowth)}))::int
  end`
  return sql`coalesce(('1e' || ${sql.lit(digitsPerBin)} * ${bin})::numeric, 0)`
}

/** Counts by bin. */
export function binsOfSketch(digits: string): number[] {
  const counts: number[] = []
  for (let end = digits.length; end > 0; end -= digitsPerBin) {
    counts.push(Number(digits.slice(Math.max(0, end - digitsPerBin), end)))
  }
  return counts
}
