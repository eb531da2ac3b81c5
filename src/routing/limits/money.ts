/** Money as budgets reserve it: whole billionths of a USD, rounded up. What was spent is known exactly, from the records. */

const places = 9
/** The largest amount: costs above it could not be counted exactly. */
const mostNano = Number.MAX_SAFE_INTEGER

/** Billionths of a USD, rounded up. */
export function nanoOf(usd: string): number {
  const [whole = '0', fraction = ''] = usd.split('.')
  const nano = Number(whole) * 1e9 + Number(fraction.slice(0, places).padEnd(places, '0'))
  return Math.min(mostNano, /[1-9]/.test(fraction.slice(places)) ? nano + 1 : nano)
}
