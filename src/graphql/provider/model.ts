import { seesConfig } from '../kit/authorisation.ts'
import { builder } from '../schema/builder.ts'
import { suggestedContextTokens, suggestedPricing } from './price-suggestion.ts'
import { ModelPricingRef } from '../backend/pricing.ts'
import type { ProviderRow } from '../../storage/provider/read.ts'
import { NodeRef } from '../schema/refs.ts'
import { ProviderModelRef, ProviderRef } from './ref.ts'
import { RouteBackendRef } from '../backend/ref.ts'

builder.objectType(ProviderModelRef, {
  description: 'One model as one provider serves it.',
  interfaces: [NodeRef, RouteBackendRef],
  authScopes: seesConfig,
  fields: (t) => ({
    provider: t.field({
      type: ProviderRef,
      description: 'The provider that serves it.',
      resolve: async (row, _args, { loaders }) => (await loaders.provider.load(row.provider_id))!,
    }),
    suggestedPricing: t.field({
      type: ModelPricingRef,
      nullable: true,
      description: suggestedPricing.description,
      resolve: async (row, _args, { loaders }) =>
        suggestedPricing.find(providerOf((await loaders.provider.load(row.provider_id))!), row.upstream_model),
    }),
    suggestedContextTokens: t.int({
      nullable: true,
      description: suggestedContextTokens.description,
      resolve: async (row, _args, { loaders }) =>
        suggestedContextTokens.find(providerOf((await loaders.provider.load(row.provider_id))!), row.upstream_model),
    }),
  }),
})

function providerOf({ kind, base_url }: ProviderRow) {
  return { kind, baseUrl: base_url }
}
