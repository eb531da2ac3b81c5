/** How figures and instants are written; one place, so that the same thing looks the same everywhere. */

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const tenths = new Intl.NumberFormat('en', { maximumFractionDigits: 1 })
const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 })

/** `0.3333` → `33.3 %` */
export function percent(share: number): string {
  const points = share * 100
  return `${points !== 0 && points < 99.95 && points % 1 > 0.05 ? points.toFixed(1) : whole.format(points)} %`
}

export function perSecond(requests: number, windowMs: number): string {
  const rate = windowMs > 0 ? (requests * 1_000) / windowMs : 0
  return rate >= 100 ? whole.format(rate) : tenths.format(rate)
}

export function count(value: number): string {
  return value >= 100_000 ? compact.format(value) : whole.format(value)
}

export function milliseconds(value: number): string {
  if (value >= 10_000) return `${tenths.format(value / 1_000)} s`
  if (value >= 1_000) return `${(value / 1_000).toFixed(2)} s`
  return `${value < 10 ? tenths.format(value) : whole.format(value)} ms`
}

/** `1 request`, `12 requests` */
export function several(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? '' : 's'}`
}

const units = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
] as const
const relative = new Intl.RelativeTimeFormat('en', { numeric: 'always', style: 'short' })

export function ago(instant: string, nowMs: number): string {
  const passedMs = nowMs - Date.parse(instant)
  for (const [unit, ms] of units) if (Math.abs(passedMs) >= ms) return relative.format(-Math.round(passedMs / ms), unit)
  return passedMs < 0 ? 'in a moment' : 'just now'
}

/** `FALLBACK_SET` → `fallback set` */
export function words(value: string): string {
  return value.toLowerCase().replaceAll('_', ' ')
}
/** A decimal of USD as the API writes it, exact; only trailing digits are cut. */
export function money(decimal: string | null | undefined): string {
  if (decimal === null || decimal === undefined) return '—'
  const value = Number(decimal)
  if (value === 0) return '$0'
  if (value < 0) return `-${money(String(-value))}`
  return value < 0.01
    ? `$${value.toPrecision(2)}`
    : `$${new Intl.NumberFormat('en', { minimumFractionDigits: 2, maximumFractionDigits: 2 }).format(value)}`
}
