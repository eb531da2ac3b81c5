import type { Pricing, TokenPricing } from '../../routing/config/configuration.ts'
import { noFurtherPrices } from '../../routing/config/configuration.ts'
import { canonicalDecimal } from '../../routing/usage/decimal.ts'
import type { ProviderKind } from '../../routing/vendors/provider-kind.ts'
import { guessCategories } from '../backend/category.ts'

/** The catalogue's entry of a model. */
export interface CatalogueEntry {
  /** Null: the prices are unknown, or `Pricing` cannot express them. */
  readonly pricing: Pricing | null
  /** Tokens that fit into one request; null: unknown. */
  readonly contextTokens: number | null
}

/** When the installed release of `@pydantic/genai-prices` was published. Its entries have no dates. */
export const catalogueAsOf = new Date('2026-09-23T00:00:00Z')
/** The release to which `catalogueAsOf` belongs. */
export const catalogueRelease = '0.1.8'

/** The catalogue's names of providers by kind. Other providers are found by their base URL. */
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
 * The entry of the installed catalogue for a provider's model; null if there is none. Makes no network call. The catalogue is loaded on
 * the first call, which takes about 300 ms and 20 MB.
 */
export async function findInCatalogue(
  { kind, baseUrl }: { readonly kind: ProviderKind; readonly baseUrl: string },
  upstreamModel: string,
): Promise<CatalogueEntry | null> {
  const { calcPrice, findProvider } = await import('@pydantic/genai-prices')
  // A provider of one kind may have the base URL of another vendor, so the URL is looked up first.
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

/** Whether prices depend on the time of day. Prices that change on a date are accepted: they hold until the next release. */
function dependsOnTime(prices: unknown): boolean {
  return (
    Array.isArray(prices) &&
    prices.some((one: { constraint?: { type: string } }) => one.constraint?.type === 'time_of_date')
  )
}

type CataloguePrice = number | { readonly base: number; readonly tiers: readonly { start: number; price: number }[] }
type CataloguePrices = Readonly<Record<string, CataloguePrice | undefined>>

/** Units with separate prices that answers do not report separately: audio, images and video among the tokens. */
const mixedUnit = /^(?:input|output)_(?:audio|image|video)_mtok$/

function toPricing(prices: CataloguePrices, upstreamModel: string): Pricing | null {
  const isText = guessCategories(upstreamModel).every(
    (category) => category !== 'IMAGE' && !category.includes('SPEECH'),
  )
  // Tokens of a transcript or an image mostly have the higher price: with the price of text the cost would be far too low.
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

/** The token prices for requests with more than `start` input tokens. */
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

/** The numbers of input tokens at which a price changes, ascending; at most eight, as a pricing has. */
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

/** The price as a decimal with at most twelve places. The further digits of the binary fraction are rounding errors. */
function decimal(price: number): string {
  return canonicalDecimal(price.toFixed(12))
}
