/** The canonical form of an exact decimal, without redundant zeros, so that equal amounts are equal texts. */
export function canonicalDecimal(text: string): string {
  const [, sign = '', whole = '0', fraction = ''] = /^(-?)0*(\d+)(?:\.(\d*?)0*)?$/.exec(text) ?? [undefined, '', text]
  const digits = fraction === '' ? whole : `${whole}.${fraction}`
  return digits === '0' ? digits : sign + digits
}

/** The exact sum of two decimals. */
export function addDecimals(a: string, b: string): string {
  const places = Math.max(placesOf(a), placesOf(b))
  return formatUnits(unitsOf(a, places) + unitsOf(b, places), places)
}

/** `a` minus `b`, exactly; negative if `b` is greater. */
export function subtractDecimals(a: string, b: string): string {
  return addDecimals(a, b.startsWith('-') ? b.slice(1) : `-${b}`)
}

/** The exact product of two decimals. */
export function multiplyDecimals(a: string, b: string): string {
  const places = [placesOf(a), placesOf(b)] as const
  return formatUnits(unitsOf(a, places[0]) * unitsOf(b, places[1]), places[0] + places[1])
}

/** Whether `a` is at least `b`. */
export function isAtLeast(a: string, b: string): boolean {
  return !subtractDecimals(a, b).startsWith('-')
}

function placesOf(decimal: string): number {
  return decimal.split('.')[1]?.length ?? 0
}

function unitsOf(decimal: string, places: number): bigint {
  const [whole = '', fraction = ''] = decimal.split('.')
  return BigInt(whole + fraction.padEnd(places, '0'))
}

function formatUnits(units: bigint, places: number): string {
  const sign = units < 0n ? '-' : ''
  const digits = units
    .toString()
    .slice(sign.length)
    .padStart(places + 1, '0')
  const point = digits.length - places
  return canonicalDecimal(`${sign}${digits.slice(0, point)}${places > 0 ? `.${digits.slice(point)}` : ''}`)
}
