import { type RawBuilder, sql } from 'kysely'
import { latencyBinCount, latencySketch, type Percentiles, percentilesOf } from '../routing/latency-sketch.ts'

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

/** What `percentilesOfSketch` takes: the digits without the zeros at the end, of which there are many. */
export function packedSketch(sketch: RawBuilder<unknown>): RawBuilder<Buffer> {
  return sql<Buffer>`numeric_send(${sketch})`
}

const counts = new Float64Array(latencyBinCount)

/** Of what `packedSketch` returned; null of none. */
export function percentilesOfSketch(packed: Buffer): Percentiles | null {
  counts.fill(0)
  addBins(packed, counts)
  return percentilesOf(counts)
}

const digitsPerWord = 4
const wordsPerBin = digitsPerBin / digitsPerWord
const headerBytes = 8

/**
 * Reads a `numeric` as the server sends it: how many words, the place of the first, sign, scale, and then words of four decimal
 * digits, from the highest on (https://github.com/postgres/postgres/blob/REL_18_STABLE/src/backend/utils/adt/numeric.c).
 */
function addBins(packed: Buffer, into: Float64Array): void {
  const words = packed.readInt16BE(0)
  const highest = packed.readInt16BE(2)
  for (let word = 0; word < words; word++) {
    const place = highest - word
    const digits = packed.readInt16BE(headerBytes + 2 * word)
    into[Math.floor(place / wordsPerBin)]! += digits * 10 ** (digitsPerWord * (place % wordsPerBin))
  }
}
