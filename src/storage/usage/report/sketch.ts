import { type RawBuilder, sql } from 'kysely'
import {
  latencyBinCount,
  latencySketch,
  type Percentiles,
  percentilesOf,
} from '../../../routing/usage/latency-sketch.ts'

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

const digitsPerWord = 4
const wordsPerBin = digitsPerBin / digitsPerWord
const weights = Array.from({ length: wordsPerBin }, (_, place) => 10 ** (digitsPerWord * place))
const headerBytes = 8
const counts = new Float64Array(latencyBinCount)

/**
 * Of what `packedSketch` returned; null of none.
 *
 * It is a `numeric` as the server sends it: how many words, the place of the first, sign, scale, and then words of four decimal
 * digits, from the highest on (https://github.com/postgres/postgres/blob/REL_18_STABLE/src/backend/utils/adt/numeric.c).
 */
export function percentilesOfSketch(packed: Buffer): Percentiles | null {
  const words = packed.readInt16BE(0)
  if (words === 0) return null
  const highest = packed.readInt16BE(2)
  const begin = Math.floor((highest - words + 1) / wordsPerBin)
  const end = Math.floor(highest / wordsPerBin) + 1
  counts.fill(0, begin, end)
  let bin = end - 1
  let place = highest % wordsPerBin
  for (let at = headerBytes; at < headerBytes + 2 * words; at += 2) {
    counts[bin]! += ((packed[at]! << 8) | packed[at + 1]!) * weights[place]!
    if (place > 0) place--
    else {
      place = wordsPerBin - 1
      bin--
    }
  }
  return percentilesOf(counts, begin, end)
}
