/** Figures that answers report besides tokens: images, seconds, search units and the service tier. */

/** Members are null if they were not reported. */
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

/** A larger number is nonsense and would falsify the sums. */
const maxCount = 1_000_000_000

/** Merges the units of several events: images are added, of other units the greatest counts. */
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

/** Seconds, rounded to the millionth; some servers send a string. Null if it is not a number. */
export function toSeconds(value: unknown): number | null {
  const seconds = typeof value === 'string' && /^\d{1,9}(?:\.\d+)?$/.test(value) ? Number(value) : value
  if (typeof seconds !== 'number' || !(seconds >= 0 && seconds <= maxCount)) return null
  return Math.round(seconds * 1_000_000) / 1_000_000
}

/** A whole number; null if the value is not one. */
export function toUnits(value: unknown): number | null {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= maxCount ? (value as number) : null
}

/** The name of a service tier; null if the text is not a valid name. Sums are kept per name, so arbitrary texts are not accepted. */
export function toServiceTier(value: unknown): string | null {
  return typeof value === 'string' && /^[\w.:-]{1,64}$/.test(value) ? value : null
}
