/** What answers say besides their tokens: how many images, seconds and search units there were, and which service tier it was. */

/** Null: nothing was said. */
export interface ReportedUnits {
  readonly images: number | null
  readonly audioSeconds: number | null
  readonly searchUnits: number | null
}

export interface ReportedRemainder extends ReportedUnits {
  readonly serviceTier: string | null
  /** Of the tokens written to a cache, those for an hour. */
  readonly cacheWriteLongTokens: number
}

export const noReportedUnits: ReportedUnits = { images: null, audioSeconds: null, searchUnits: null }

/** A larger number would only spoil the sums. */
const maxCount = 1_000_000_000

/** Of several events: images add up, and of the rest the greatest counts. */
export function addUnits(a: ReportedUnits, b: ReportedUnits): ReportedUnits {
  return {
    images: a.images === null ? b.images : a.images + (b.images ?? 0),
    audioSeconds: greater(a.audioSeconds, b.audioSeconds),
    searchUnits: greater(a.searchUnits, b.searchUnits),
  }
}

function greater(a: number | null, b: number | null): number | null {
  return a === null || b === null ? (a ?? b) : Math.max(a, b)
}

/** To the millionth; some write the number as a text. Null: it is none. */
export function toSeconds(value: unknown): number | null {
  const seconds = typeof value === 'string' && /^\d{1,9}(?:\.\d+)?$/.test(value) ? Number(value) : value
  if (typeof seconds !== 'number' || !(seconds >= 0 && seconds <= maxCount)) return null
  return Math.round(seconds * 1_000_000) / 1_000_000
}

/** A whole number; null: it is none. */
export function toUnits(value: unknown): number | null {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= maxCount ? (value as number) : null
}

/** Null: it is no name. Sums are kept by it, so that not everything may be one. */
export function toServiceTier(value: unknown): string | null {
  return typeof value === 'string' && /^[\w.:-]{1,64}$/.test(value) ? value : null
}
