import type { Pricing, PricingTier, ServiceTierFactor } from '../../routing/config/configuration.ts'
import { builder } from '../schema/builder.ts'
import type { Values } from '../schema/enum-values.ts'

/** Prices, and where they come from: no `catalogueAsOf` means from an operator. */
export type ShownPricing = Pricing & { readonly catalogueAsOf?: Date }

const PriceSourceKind = builder.enumType('PriceSourceKind', {
  description: 'Who says what a model costs.',
  values: {
    OPERATOR: { description: 'An operator of this installation: it is what is billed.' },
    CATALOGUE: {
      description: 'The catalogue that this installation carries: a suggestion, by which nothing is billed.',
    },
  } satisfies Values<'OPERATOR' | 'CATALOGUE'>,
})

const PriceSourceRef = builder.objectRef<{ readonly asOf: Date | null }>('PriceSource').implement({
  description: 'Where prices come from.',
  fields: (t) => ({
    kind: t.field({
      type: PriceSourceKind,
      description: 'Who says it.',
      resolve: ({ asOf }) => (asOf ? 'CATALOGUE' : 'OPERATOR'),
    }),
    asOf: t.field({
      type: 'DateTime',
      nullable: true,
      description: "The day of the catalogue's entry; null for an operator's.",
      resolve: ({ asOf }) => asOf,
    }),
  }),
})

const ModelPricingTierRef = builder.objectRef<PricingTier>('ModelPricingTier').implement({
  description: 'Prices from a number of input tokens on, in USD per million tokens; they hold for the whole request.',
  fields: (t) => ({
    fromInputTokens: t.expose('fromInputTokens', {
      type: 'SafeInt',
      description: 'Counts cached and cache-written tokens too.',
    }),
    inputPerMillion: t.expose('inputPerMillion', { type: 'Decimal', description: 'Of input.' }),
    outputPerMillion: t.expose('outputPerMillion', { type: 'Decimal', description: 'Of output.' }),
    cachedInputPerMillion: t.expose('cachedInputPerMillion', {
      type: 'Decimal',
      nullable: true,
      description: "Null: billed as this tier's input.",
    }),
    cacheWritePerMillion: t.expose('cacheWritePerMillion', {
      type: 'Decimal',
      nullable: true,
      description: "Null: billed as this tier's input.",
    }),
    cacheWriteLongPerMillion: t.expose('cacheWriteLongPerMillion', {
      type: 'Decimal',
      nullable: true,
      description: "Null: as the pricing's own, else as this tier's `cacheWritePerMillion`.",
    }),
    reasoningPerMillion: t.expose('reasoningPerMillion', {
      type: 'Decimal',
      nullable: true,
      description: "Null: as the pricing's own, else as this tier's output.",
    }),
  }),
})

const ServiceTierFactorRef = builder.objectRef<ServiceTierFactor>('ServiceTierFactor').implement({
  description: 'What all prices of a request are multiplied by.',
  fields: (t) => ({
    serviceTier: t.exposeString('serviceTier', { description: "The answer's `service_tier`, e.g. `flex`." }),
    factor: t.expose('factor', { type: 'Decimal', description: 'Above 0; of a tier that is not listed it is 1.' }),
  }),
})

export const ModelPricingRef = builder.objectRef<ShownPricing>('ModelPricing').implement({
  description: 'USD per million tokens, unless it says otherwise.',
  fields: (t) => ({
    inputPerMillion: t.expose('inputPerMillion', { type: 'Decimal', description: 'Of input.' }),
    outputPerMillion: t.expose('outputPerMillion', { type: 'Decimal', description: 'Of output.' }),
    cachedInputPerMillion: t.expose('cachedInputPerMillion', {
      type: 'Decimal',
      nullable: true,
      description: 'Null: billed as input.',
    }),
    cacheWritePerMillion: t.expose('cacheWritePerMillion', {
      type: 'Decimal',
      nullable: true,
      description: 'Null: billed as input.',
    }),
    cacheWriteLongPerMillion: t.expose('cacheWriteLongPerMillion', {
      type: 'Decimal',
      nullable: true,
      description: 'Written to a cache for an hour; null: as `cacheWritePerMillion`.',
    }),
    reasoningPerMillion: t.expose('reasoningPerMillion', {
      type: 'Decimal',
      nullable: true,
      description: 'Null: billed as output.',
    }),
    perRequest: t.expose('perRequest', {
      type: 'Decimal',
      nullable: true,
      description:
        'Per request that was answered, e.g. of rerank; where the answer reports search units, per search unit.',
    }),
    perImage: t.expose('perImage', { type: 'Decimal', nullable: true, description: 'Per image that was made.' }),
    perAudioSecond: t.expose('perAudioSecond', {
      type: 'Decimal',
      nullable: true,
      description: 'Per second of audio that the answer reports.',
    }),
    perMillionCharacters: t.expose('perMillionCharacters', {
      type: 'Decimal',
      nullable: true,
      description: 'Per million characters that were read aloud.',
    }),
    tiers: t.expose('tiers', {
      type: [ModelPricingTierRef],
      description:
        'Prices from a number of input tokens on, ascending, at most 8; the last one that is reached holds for the whole request.',
    }),
    serviceTiers: t.expose('serviceTiers', {
      type: [ServiceTierFactorRef],
      description: "Factors by the answer's `service_tier`, at most 8.",
    }),
    source: t.field({
      type: PriceSourceRef,
      description: 'Where the prices come from.',
      resolve: ({ catalogueAsOf }) => ({ asOf: catalogueAsOf ?? null }),
    }),
  }),
})
