import { canonicalDecimal } from '../../routing/usage/decimal.ts'
import { isTimeZone } from '../../routing/limits/time-zone.ts'
import { collectEach } from '../kit/collect-faults.ts'
import { refuseInput } from '../kit/refusal.ts'

const maxWarnings = 8

/** The stored form of an amount of money. Throws unless it is more than 0 and has a permitted number of digits. */
export function requireAmount(text: string, path: readonly string[]): string {
  const amount = canonicalDecimal(text)
  if (!/^\d{1,12}(\.\d{1,12})?$/.test(amount) || amount === '0')
    throw refuseInput(
      'INVALID',
      path,
      'An amount is USD, more than 0 and less than 10^12, with at most 12 decimal places.',
    )
  return amount
}

/** Throws unless the time zone is one of the IANA database. */
export function requireTimeZone(name: string, path: readonly string[]): string {
  if (isTimeZone(name)) return name
  throw refuseInput(
    'INVALID',
    path,
    'Give the name of a time zone of the IANA database, such as `Europe/Berlin` or `UTC`.',
  )
}

/** Throws unless these are at most 8 shares, more than 0, at most 1, and ascending. */
export function requireWarnings(shares: readonly number[], path: readonly string[]): readonly number[] {
  if (shares.length > maxWarnings)
    throw refuseInput('LIMIT_EXCEEDED', path, `A budget warns at most ${maxWarnings} times.`)
  return collectEach(shares, (share, index) => {
    const place = [...path, String(index)]
    if (!(share > 0 && share <= 1)) throw refuseInput('INVALID', place, 'A share is more than 0 and at most 1.')
    if (index > 0 && share <= shares[index - 1]!)
      throw refuseInput('INVALID', place, 'Shares ascend: each is more than the one before.')
    return share
  })
}
