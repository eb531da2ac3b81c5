/** Suggestions of the catalogue, for a model that a provider lists and for a configured model. */
import { catalogueAsOf, findInCatalogue } from '../../control/provider/price-catalogue.ts'
import type { ProviderKind } from '../../routing/vendors/provider-kind.ts'
import type { ShownPricing } from '../backend/pricing.ts'

interface KnownProvider {
  readonly kind: ProviderKind
  readonly baseUrl: string
}

export const suggestedPricing = {
  description:
    'The price that the built-in catalogue of this installation suggests. No cost is computed with it. Null if the catalogue has no price.',
  find: async (provider: KnownProvider, upstreamModel: string): Promise<ShownPricing | null> => {
    const pricing = (await findInCatalogue(provider, upstreamModel))?.pricing
    return pricing ? { ...pricing, catalogueAsOf } : null
  },
}

export const suggestedContextTokens = {
  description:
    'The number of tokens per request that the built-in catalogue of this installation suggests; null if the catalogue has none.',
  find: async (provider: KnownProvider, upstreamModel: string): Promise<number | null> =>
    (await findInCatalogue(provider, upstreamModel))?.contextTokens ?? null,
}
