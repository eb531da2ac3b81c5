import { sql, type RawBuilder } from 'kysely'
import { noFurtherPrices, type Pricing } from '../../routing/config/configuration.ts'
import { canonicalDecimal } from '../../routing/usage/decimal.ts'

/** USD per million tokens, as exact decimals; all null: unknown. */
export interface PricingColumns {
  input_per_million: string | null
  output_per_million: string | null
  cached_input_per_million: string | null
  price_details: PricingDetails | null
}

/** The other members of a pricing. An earlier release may have stored fewer. */
type PricingDetails = Partial<typeof noFurtherPrices>

/** As texts: JSON would turn an exact decimal into a binary fraction. */
export const pricingTexts = [
  sql<string | null>`input_per_million::text`.as('input_per_million'),
  sql<string | null>`output_per_million::text`.as('output_per_million'),
  sql<string | null>`cached_input_per_million::text`.as('cached_input_per_million'),
  sql<PricingDetails | null>`price_details`.as('price_details'),
] as const

/** The pricing of a row; null if it has none. */
export function pricingOf(row: PricingColumns): Pricing | null {
  if (row.input_per_million === null || row.output_per_million === null) return null
  return {
    // Prices may have been stored with redundant zeros.
    inputPerMillion: canonicalDecimal(row.input_per_million),
    outputPerMillion: canonicalDecimal(row.output_per_million),
    cachedInputPerMillion:
      row.cached_input_per_million === null ? null : canonicalDecimal(row.cached_input_per_million),
    ...noFurtherPrices,
    ...row.price_details,
  }
}

/** The columns of a price. */
export function pricingColumns(pricing: Pricing | null) {
  const { inputPerMillion, outputPerMillion, cachedInputPerMillion, ...details } = pricing ?? noPricing
  return {
    input_per_million: inputPerMillion,
    output_per_million: outputPerMillion,
    cached_input_per_million: cachedInputPerMillion,
    price_details: pricing && hasDetails(details) ? jsonb(details) : null,
  }
}

const noPricing = { inputPerMillion: null, outputPerMillion: null, cachedInputPerMillion: null }

function hasDetails(details: object): boolean {
  return Object.values(details).some((value) => (Array.isArray(value) ? value.length > 0 : value !== null))
}

function jsonb(details: PricingDetails): RawBuilder<PricingDetails> {
  return sql<PricingDetails>`${JSON.stringify(details)}::jsonb`
}
