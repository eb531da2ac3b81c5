import type { Pricing, TokenPricing } from '../../routing/config/configuration.ts'
import { noFurtherPrices } from '../../routing/config/configuration.ts'
import { canonicalDecimal } from '../../routing/usage/decimal.ts'
import type { ProviderKind } from '../../routing/vendors/provider-kind.ts'
import { guessCategories } from '../backend/category.ts'

/** What the catalogue says of a model. */
export interface CatalogueEntry {
  /** Null: its prices are unknown, or such that a pricing cannot say them. */
  readonly pricing: Pricing | null
  /** Tokens that fit into one request; null: unknown. */
  readonly contextTokens: number | null
}

/** When the release of `@pydantic/genai-prices` that is installed was published: its entries have no dates of their own. */
export const catalogueAsOf = new Date('2026-09-23T00:00:00Z')
/** The release that `catalogueAsOf` is about. */
export const catalogueRelease = '0.1.8'

/** The catalogue's names of whom we know by kind. Of other servers the base URL tells. */
const providerIds: Partial<Record<ProviderKind, string>> = {
  OPENAI: 'openai',
  AZURE_OPENAI: 'azure',
  ANTHROPIC: 'anthropic',
  GOOGLE_GEMINI: 'google',
  AWS_BEDROCK: 'aws',
  MISTRAL: 'mistral',
  COHERE: 'cohere',
  DEEPSEEK: 'deepseek',
  XAI: 'x-ai',
  GROQ: 'groq',
  TOGETHER: 'together',
  FIREWORKS: 'fireworks',
  OPENROUTER: 'openrouter',
  MOONSHOT: 'moonshotai',
  MINIMAX: 'minimax',
}

/**
 * What the catalogue that is installed says of a provider's model; null if it does not know it. Nothing is fetched. It is loaded with the
 * first question, in some 300 ms and 20 MB: whoever never asks has nothing of it.
 */
export async function findInCatalogue(
  { kind, baseUrl }: { readonly kind: ProviderKind; readonly baseUrl: string },
  upstreamModel: string,
): Promise<CatalogueEntry | null> {
  const { calcPrice, findProvider } = await import('@pydantic/genai-prices')
  // A key of one vendor's kind may be for a server that is another's.
  const provider = findProvider({ providerApiUrl: baseUrl }) ?? findProvider({ providerId: providerIds[kind] ?? '' })
  if (!provider) return null
  const found = calcPrice({}, upstreamModel, { provider })
  if (!found) return null
  const { prices, context_window: contextTokens } = found.model
  return {
    pricing: dependsOnTime(prices) ? null : toPricing(found.model_price, upstreamModel),
    contextTokens: contextTokens !== undefined && Number.isInteger(contextTokens) ? contextTokens : null,
  }
}

/** Some are cheaper at night. From another day on is another matter: those hold until there is another release. */
function dependsOnTime(prices: unknown): boolean {
  return (
    Array.isArray(prices) &&
    prices.some((one: { constraint?: { type: string } }) => one.constraint?.type === 'time_of_date')
  )
}

type CataloguePrice = number | { readonly base: number; readonly tiers: readonly { start: number; price: number }[] }
type CataloguePrices = Readonly<Record<string, CataloguePrice | undefined>>

/** What costs apart, although the answer does not tell it apart: sounds and pictures among the tokens. */
const mixedUnit = /^(?:input|output)_(?:audio|image|video)_mtok$/

function toPricing(prices: CataloguePrices, upstreamModel: string): Pricing | null {
  const isText = guessCategories(upstreamModel).every(
    (category) => category !== 'IMAGE' && !category.includes('SPEECH'),
  )
  // A transcript's or an image's tokens are mostly of the dearer kind: with the price of text it would be far too little.
  if (!isText && Object.keys(prices).some((name) => mixedUnit.test(name))) return null
  const units = {
    perRequest: each(prices['requests_kcount'] ?? prices['rerank_searches_kcount'], 1_000),
    perAudioSecond: each(prices['input_audio_hours'] ?? prices['output_audio_hours'], 3_600),
    perMillionCharacters: each(prices['input_mchars'], 1),
  }
  if (prices['input_mtok'] === undefined && Object.values(units).every((price) => price === null)) return null
  return {
    ...noFurtherPrices,
    ...tokenPrices(prices, 0),
    ...units,
    tiers: startsOf(prices).map((start) => ({ fromInputTokens: start + 1, ...tokenPrices(prices, start) })),
  }
}

/** Those that hold for more than `start` tokens of input. */
function tokenPrices(prices: CataloguePrices, start: number): TokenPricing {
  const at = (...names: string[]) => {
    const price = names.map((name) => prices[name]).find((value) => value !== undefined)
    return price === undefined ? null : decimal(priceAt(price, start))
  }
  return {
    inputPerMillion: at('input_mtok') ?? '0',
    outputPerMillion: at('output_mtok') ?? '0',
    cachedInputPerMillion: at('cache_read_mtok'),
    cacheWritePerMillion: at('cache_write_mtok', 'cache_write_5m_mtok'),
    cacheWriteLongPerMillion: at('cache_write_1h_mtok'),
    reasoningPerMillion: at('output_reasoning_mtok'),
  }
}

function priceAt(price: CataloguePrice, start: number): number {
  if (typeof price === 'number') return price
  const reached = price.tiers.filter((tier) => tier.start > 0 && tier.start <= start)
  return reached.toSorted((a, b) => a.start - b.start).at(-1)?.price ?? price.base
}

/** Where any of the prices of tokens changes, ascending; a pricing has room for eight. */
function startsOf(prices: CataloguePrices): number[] {
  const starts = Object.entries(prices).flatMap(([name, price]) =>
    name.endsWith('_mtok') && typeof price === 'object' ? price.tiers.map(({ start }) => start) : [],
  )
  return [...new Set(starts)]
    .filter((start) => start > 0)
    .toSorted((a, b) => a - b)
    .slice(0, 8)
}

function each(price: CataloguePrice | undefined, count: number): string | null {
  return price === undefined ? null : decimal(priceAt(price, 0) / count)
}

/** To the twelve places that a price may have: binary fractions have more, and none of them means anything. */
function decimal(price: number): string {
  return canonicalDecimal(price.toFixed(12))
}
