import { builder } from '../schema/builder.ts'

const ModelPricingTierInput = builder.inputType('ModelPricingTierInput', {
  description:
    'Prices for requests with at least a number of input tokens, in USD per million tokens. They apply to the whole request.',
  fields: (t) => ({
    fromInputTokens: t.field({
      type: 'SafeInt',
      description:
        'The least number of input tokens of a request in this tier, cached and cache-written tokens included. From 1, more than that of the tier before.',
      required: true,
    }),
    inputPerMillion: t.field({ type: 'Decimal', description: 'Price of input tokens.', required: true }),
    outputPerMillion: t.field({ type: 'Decimal', description: 'Price of output tokens.', required: true }),
    cachedInputPerMillion: t.field({
      type: 'Decimal',
      description: 'Price of input tokens that are read from the cache; null: the input price of this tier.',
    }),
    cacheWritePerMillion: t.field({
      type: 'Decimal',
      description: 'Price of input tokens that are written to the cache; null: the input price of this tier.',
    }),
    cacheWriteLongPerMillion: t.field({
      type: 'Decimal',
      description:
        'Price of input tokens that are written to the cache for an hour; null: the price outside the tiers, or if that is null, `cacheWritePerMillion` of this tier.',
    }),
    reasoningPerMillion: t.field({
      type: 'Decimal',
      description:
        'Price of reasoning tokens; null: the price outside the tiers, or if that is null, the output price of this tier.',
    }),
  }),
})

const ServiceTierFactorInput = builder.inputType('ServiceTierFactorInput', {
  description: 'The factor by which all prices of a request are multiplied.',
  fields: (t) => ({
    serviceTier: t.string({
      description: 'The `service_tier` of the answer, e.g. `flex`. Each may be listed once.',
      required: true,
    }),
    factor: t.field({
      type: 'Decimal',
      description: 'Above 0, at most 100, with at most 6 decimal places.',
      required: true,
    }),
  }),
})

export const ModelPricingInput = builder.inputType('ModelPricingInput', {
  description:
    'Prices in USD, per million tokens unless the field says otherwise; from 0 to 999999999 with at most 12 decimal places. Replaces all earlier prices.',
  fields: (t) => ({
    inputPerMillion: t.field({ type: 'Decimal', description: 'Price of input tokens.', required: true }),
    outputPerMillion: t.field({ type: 'Decimal', description: 'Price of output tokens.', required: true }),
    cachedInputPerMillion: t.field({
      type: 'Decimal',
      description: 'Price of input tokens that are read from the cache; null: the input price.',
    }),
    cacheWritePerMillion: t.field({
      type: 'Decimal',
      description: 'Price of input tokens that are written to the cache; null: the input price.',
    }),
    cacheWriteLongPerMillion: t.field({
      type: 'Decimal',
      description: 'Price of input tokens that are written to the cache for an hour; null: `cacheWritePerMillion`.',
    }),
    reasoningPerMillion: t.field({
      type: 'Decimal',
      description: 'Price of reasoning tokens; null: the output price.',
    }),
    perRequest: t.field({
      type: 'Decimal',
      description: 'Price per answered request, or per search unit if the answer reports search units.',
    }),
    perImage: t.field({ type: 'Decimal', description: 'Price per generated image.' }),
    perAudioSecond: t.field({ type: 'Decimal', description: 'Price per second of audio that the answer reports.' }),
    perMillionCharacters: t.field({
      type: 'Decimal',
      description: 'Price per million characters that are converted to speech.',
    }),
    tiers: t.field({
      type: [ModelPricingTierInput],
      description: 'Prices for requests with many input tokens, in ascending order, at most 8.',
      required: true,
      defaultValue: [],
    }),
    serviceTiers: t.field({
      type: [ServiceTierFactorInput],
      description: 'Factors by the `service_tier` of the answer, at most 8.',
      required: true,
      defaultValue: [],
    }),
  }),
})
