import { builder } from '../schema/builder.ts'

const ModelPricingTierInput = builder.inputType('ModelPricingTierInput', {
  description: 'Prices from a number of input tokens on, in USD per million tokens; they hold for the whole request.',
  fields: (t) => ({
    fromInputTokens: t.field({
      type: 'SafeInt',
      description: 'From 1, more than that of the tier before. Counts cached and cache-written tokens too.',
      required: true,
    }),
    inputPerMillion: t.field({ type: 'Decimal', description: 'Of input.', required: true }),
    outputPerMillion: t.field({ type: 'Decimal', description: 'Of output.', required: true }),
    cachedInputPerMillion: t.field({
      type: 'Decimal',
      description: "Of input from the cache; null: billed as this tier's input.",
    }),
    cacheWritePerMillion: t.field({
      type: 'Decimal',
      description: "Of input that is written to the cache; null: billed as this tier's input.",
    }),
    cacheWriteLongPerMillion: t.field({
      type: 'Decimal',
      description:
        "Written to the cache for an hour; null: as the pricing's own, else as this tier's `cacheWritePerMillion`.",
    }),
    reasoningPerMillion: t.field({
      type: 'Decimal',
      description: "Of reasoning; null: as the pricing's own, else as this tier's output.",
    }),
  }),
})

const ServiceTierFactorInput = builder.inputType('ServiceTierFactorInput', {
  description: 'What all prices of a request are multiplied by.',
  fields: (t) => ({
    serviceTier: t.string({ description: "The answer's `service_tier`, e.g. `flex`; none twice.", required: true }),
    factor: t.field({
      type: 'Decimal',
      description: 'Above 0, at most 100, with at most 6 decimal places.',
      required: true,
    }),
  }),
})

export const ModelPricingInput = builder.inputType('ModelPricingInput', {
  description:
    'USD per million tokens, unless it says otherwise; from 0 to 999999999 with at most 12 decimal places. Replaces the whole price.',
  fields: (t) => ({
    inputPerMillion: t.field({ type: 'Decimal', description: 'Of input.', required: true }),
    outputPerMillion: t.field({ type: 'Decimal', description: 'Of output.', required: true }),
    cachedInputPerMillion: t.field({ type: 'Decimal', description: 'Of input from the cache; null: billed as input.' }),
    cacheWritePerMillion: t.field({
      type: 'Decimal',
      description: 'Of input that is written to the cache; null: billed as input.',
    }),
    cacheWriteLongPerMillion: t.field({
      type: 'Decimal',
      description: 'Written to the cache for an hour; null: as `cacheWritePerMillion`.',
    }),
    reasoningPerMillion: t.field({ type: 'Decimal', description: 'Of reasoning; null: billed as output.' }),
    perRequest: t.field({
      type: 'Decimal',
      description: 'Per request that is answered; where the answer reports search units, per search unit.',
    }),
    perImage: t.field({ type: 'Decimal', description: 'Per image that is made.' }),
    perAudioSecond: t.field({ type: 'Decimal', description: 'Per second of audio that the answer reports.' }),
    perMillionCharacters: t.field({ type: 'Decimal', description: 'Per million characters that are read aloud.' }),
    tiers: t.field({
      type: [ModelPricingTierInput],
      description: 'Prices from a number of input tokens on, ascending, at most 8.',
      required: true,
      defaultValue: [],
    }),
    serviceTiers: t.field({
      type: [ServiceTierFactorInput],
      description: "Factors by the answer's `service_tier`, at most 8.",
      required: true,
      defaultValue: [],
    }),
  }),
})
