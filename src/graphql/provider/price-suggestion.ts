/** What the catalogue suggests for a model: of one that a provider lists, and of one that is configured. */
import { catalogueAsOf, findInCatalogue } from '../../control/provider/price-catalogue.ts'
import type { ProviderKind } from '../../routing/vendors/provider-kind.ts'
import type { ShownPricing } from '../backend/pricing.ts'

interface KnownProvider {
  readonly kind: ProviderKind
  readonly baseUrl: string
}

export const suggestedPricing = {
  description:
    'What the catalogue that this installation carries says that it costs, as a suggestion: nothing is billed by it. Null if it knows no price.',
  find: async (provider: KnownProvider, upstreamModel: string): Promise<ShownPricing | null> => {
    const pricing = (await findInCatalogue(provider, upstreamModel))?.pricing
    return pricing ? { ...pricing, catalogueAsOf } : null
  },
}

export const suggestedContextTokens = {
  description:
    'What the catalogue that this installation carries says that fits into one request, as a suggestion; null if it does not know it.',
  find: async (provider: KnownProvider, upstreamModel: string): Promise<number | null> =>
    (await findInCatalogue(provider, upstreamModel))?.contextTokens ?? null,
}
