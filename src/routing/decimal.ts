/** The one way in which an exact decimal is written: without zeros that say nothing, so that equal amounts are equal texts. */
export function canonicalDecimal(text: string): string {
  const [, sign = '', whole = '0', fraction = ''] = /^(-?)0*(\d+)(?:\.(\d*?)0*)?$/.exec(text) ?? [undefined, '', text]
  const digits = fraction === '' ? whole : `${whole}.${fraction}`
  return digits === '0' ? digits : sign + digits
}
