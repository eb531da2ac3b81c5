import { builder } from './builder.ts'

export const ModelPricingInput = builder.inputType('ModelPricingInput', {
  description: 'USD per million tokens.',
  fields: (t) => ({
    inputPerMillion: t.field({ type: 'Decimal', description: 'Of input.', required: true }),
    outputPerMillion: t.field({ type: 'Decimal', description: 'Of output.', required: true }),
    cachedInputPerMillion: t.field({ type: 'Decimal', description: 'Of input from the cache; null: billed as input.' }),
  }),
})
