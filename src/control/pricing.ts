import type { Pricing } from '../routing/configuration.ts'
import { canonicalDecimal } from '../routing/decimal.ts'
import { collectMembers } from './collect-faults.ts'
import { refuseInput } from './refusal.ts'

export interface PricingInput {
  readonly inputPerMillion: string
  readonly outputPerMillion: string
  readonly cachedInputPerMillion?: string | null | undefined
}

/** The pricing as it is stored; null if none is given. Throws `INVALID` for what is no price. */
export function resolvePricing(input: PricingInput | null | undefined, path: readonly string[]): Pricing | null {
  if (!input) return null
  const price = (name: keyof PricingInput) => {
    const value = input[name]
    return value == null ? null : requirePrice(value, [...path, name])
  }
  return collectMembers<Pricing>({
    inputPerMillion: () => price('inputPerMillion')!,
    outputPerMillion: () => price('outputPerMillion')!,
    cachedInputPerMillion: () => price('cachedInputPerMillion'),
  })
}

function requirePrice(text: string, path: readonly string[]): string {
  if (!/^\d{1,9}(\.\d{1,12})?$/.test(text))
    throw refuseInput('INVALID', path, 'A price is a decimal from 0 to 999999999 with at most 12 decimal places.')
  return canonicalDecimal(text)
}
