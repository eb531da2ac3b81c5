import type { Pricing } from '../routing/configuration.ts'
import { builder } from './builder.ts'

export const ModelPricingRef = builder.objectRef<Pricing>('ModelPricing').implement({
  description: 'USD per million tokens.',
  fields: (t) => ({
    inputPerMillion: t.expose('inputPerMillion', { type: 'Decimal', description: 'Of input.' }),
    outputPerMillion: t.expose('outputPerMillion', { type: 'Decimal', description: 'Of output.' }),
    cachedInputPerMillion: t.expose('cachedInputPerMillion', {
      type: 'Decimal',
      nullable: true,
      description: 'Null: billed as input.',
    }),
  }),
})
