import type { Pricing, PricingTier, ServiceTierFactor } from '../../routing/config/configuration.ts'
import { builder } from '../schema/builder.ts'
import type { Values } from '../schema/enum-values.ts'

/** Prices with their origin: an operator if `catalogueAsOf` is absent, else the catalogue. */
export type ShownPricing = Pricing & { readonly catalogueAsOf?: Date }

const PriceSourceKind = builder.enumType('PriceSourceKind', {
  description: 'The origin of a price.',
  values: {
    OPERATOR: { description: 'An operator of this installation entered the price. Costs are computed with it.' },
    CATALOGUE: {
      description: 'The built-in catalogue of this installation suggests the price. No cost is computed with it.',
    },
  } satisfies Values<'OPERATOR' | 'CATALOGUE'>,
})

const PriceSourceRef = builder.objectRef<{ readonly asOf: Date | null }>('PriceSource').implement({
  description: 'Where prices come from.',
  fields: (t) => ({
    kind: t.field({
      type: PriceSourceKind,
      description: 'The origin of the prices.',
      resolve: ({ asOf }) => (asOf ? 'CATALOGUE' : 'OPERATOR'),
    }),
    asOf: t.field({
      type: 'DateTime',
      nullable: true,
      description: "The day of the catalogue's entry; null for prices of an operator.",
      resolve: ({ asOf }) => asOf,
    }),
  }),
})

const ModelPricingTierRef = builder.objectRef<PricingTier>('ModelPricingTier').implement({
  description:
    'Prices for requests with at least a number of input tokens, in USD per million tokens. They apply to the whole request.',
  fields: (t) => ({
    fromInputTokens: t.expose('fromInputTokens', {
      type: 'SafeInt',
      description:
        'The least number of input tokens of a request in this tier, cached and cache-written tokens included.',
    }),
    inputPerMillion: t.expose('inputPerMillion', { type: 'Decimal', description: 'Price of input tokens.' }),
    outputPerMillion: t.expose('outputPerMillion', { type: 'Decimal', description: 'Price of output tokens.' }),
    cachedInputPerMillion: t.expose('cachedInputPerMillion', {
      type: 'Decimal',
      nullable: true,
      description: 'Price of input tokens that are read from the cache; null: the input price of this tier.',
    }),
    cacheWritePerMillion: t.expose('cacheWritePerMillion', {
      type: 'Decimal',
      nullable: true,
      description: 'Price of input tokens that are written to the cache; null: the input price of this tier.',
    }),
    cacheWriteLongPerMillion: t.expose('cacheWriteLongPerMillion', {
      type: 'Decimal',
      nullable: true,
      description:
        'Price of input tokens that are written to the cache for an hour; null: the price outside the tiers, or if that is null, `cacheWritePerMillion` of this tier.',
    }),
    reasoningPerMillion: t.expose('reasoningPerMillion', {
      type: 'Decimal',
      nullable: true,
      description:
        'Price of reasoning tokens; null: the price outside the tiers, or if that is null, the output price of this tier.',
    }),
  }),
})

const ServiceTierFactorRef = builder.objectRef<ServiceTierFactor>('ServiceTierFactor').implement({
  description: 'The factor by which all prices of a request are multiplied.',
  fields: (t) => ({
    serviceTier: t.exposeString('serviceTier', { description: 'The `service_tier` of the answer, e.g. `flex`.' }),
    factor: t.expose('factor', {
      type: 'Decimal',
      description: 'Above 0. The factor of a tier that is not listed is 1.',
    }),
  }),
})

export const ModelPricingRef = builder.objectRef<ShownPricing>('ModelPricing').implement({
  description: 'Prices in USD, per million tokens unless the field says otherwise.',
  fields: (t) => ({
    inputPerMillion: t.expose('inputPerMillion', { type: 'Decimal', description: 'Price of input tokens.' }),
    outputPerMillion: t.expose('outputPerMillion', { type: 'Decimal', description: 'Price of output tokens.' }),
    cachedInputPerMillion: t.expose('cachedInputPerMillion', {
      type: 'Decimal',
      nullable: true,
      description: 'Price of input tokens that are read from the cache; null: the input price.',
    }),
    cacheWritePerMillion: t.expose('cacheWritePerMillion', {
      type: 'Decimal',
      nullable: true,
      description: 'Price of input tokens that are written to the cache; null: the input price.',
    }),
    cacheWriteLongPerMillion: t.expose('cacheWriteLongPerMillion', {
      type: 'Decimal',
      nullable: true,
      description: 'Price of input tokens that are written to the cache for an hour; null: `cacheWritePerMillion`.',
    }),
    reasoningPerMillion: t.expose('reasoningPerMillion', {
      type: 'Decimal',
      nullable: true,
      description: 'Price of reasoning tokens; null: the output price.',
    }),
    perRequest: t.expose('perRequest', {
      type: 'Decimal',
      nullable: true,
      description: 'Price per answered request, e.g. of rerank, or per search unit if the answer reports search units.',
    }),
    perImage: t.expose('perImage', { type: 'Decimal', nullable: true, description: 'Price per generated image.' }),
    perAudioSecond: t.expose('perAudioSecond', {
      type: 'Decimal',
      nullable: true,
      description: 'Price per second of audio that the answer reports.',
    }),
    perMillionCharacters: t.expose('perMillionCharacters', {
      type: 'Decimal',
      nullable: true,
      description: 'Price per million characters that are converted to speech.',
    }),
    tiers: t.expose('tiers', {
      type: [ModelPricingTierRef],
      description:
        'Prices for requests with many input tokens, in ascending order, at most 8. The last tier that a request reaches applies to the whole request.',
    }),
    serviceTiers: t.expose('serviceTiers', {
      type: [ServiceTierFactorRef],
      description: 'Factors by the `service_tier` of the answer, at most 8.',
    }),
    source: t.field({
      type: PriceSourceRef,
      description: 'Where the prices come from.',
      resolve: ({ catalogueAsOf }) => ({ asOf: catalogueAsOf ?? null }),
    }),
  }),
})
