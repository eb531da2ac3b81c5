import type { Pricing, PricingTier, TokenPricing } from '../config/configuration.ts'

/** A pricing in whole numbers: each price is multiplied by 10 to the power of `scale`. */
export interface Prices {
  readonly scale: number
  /** By ascending `fromInputTokens`; the first one is from 0. */
  readonly tiers: readonly [TokenPrices, ...TokenPrices[]]
  /** Null if there is no such price. */
  readonly perRequest: bigint | null
  readonly perImage: bigint | null
  readonly perAudioSecond: bigint | null
  readonly perMillionCharacters: bigint | null
  readonly factors: ReadonlyMap<string, Decimal>
}

/** Per million. */
export interface TokenPrices {
  readonly fromInputTokens: number
  readonly input: bigint
  readonly cachedInput: bigint
  readonly cacheWrite: bigint
  readonly cacheWriteLong: bigint
  readonly output: bigint
  readonly reasoning: bigint
}

/** `units` of 10 to the power of -`scale`. */
export interface Decimal {
  readonly units: bigint
  readonly scale: number
}

const parsed = new WeakMap<Pricing, Prices>()

/** Parsed once for each pricing of a snapshot. */
export function pricesOf(pricing: Pricing): Prices {
  let prices = parsed.get(pricing)
  if (!prices) parsed.set(pricing, (prices = parsePricing(pricing)))
  return prices
}

function parsePricing(pricing: Pricing): Prices {
  const scale = scaleOf(pricing)
  const toUnits = (text: string) => unitsAt(scale, parseDecimal(text))
  const orNull = (text: string | null) => (text === null ? null : toUnits(text))
  return {
    scale,
    tiers: [
      tokenPrices({ ...pricing, fromInputTokens: 0 }, pricing, toUnits),
      ...pricing.tiers.map((tier) => tokenPrices(tier, pricing, toUnits)),
    ],
    perRequest: orNull(pricing.perRequest),
    perImage: orNull(pricing.perImage),
    perAudioSecond: orNull(pricing.perAudioSecond),
    perMillionCharacters: orNull(pricing.perMillionCharacters),
    factors: new Map(pricing.serviceTiers.map(({ serviceTier, factor }) => [serviceTier, parseDecimal(factor)])),
  }
}

function tokenPrices(tier: PricingTier, base: TokenPricing, toUnits: (text: string) => bigint): TokenPrices {
  const { inputPerMillion, outputPerMillion } = tier
  const cacheWrite = tier.cacheWritePerMillion ?? inputPerMillion
  return {
    fromInputTokens: tier.fromInputTokens,
    input: toUnits(inputPerMillion),
    cachedInput: toUnits(tier.cachedInputPerMillion ?? inputPerMillion),
    cacheWrite: toUnits(cacheWrite),
    cacheWriteLong: toUnits(tier.cacheWriteLongPerMillion ?? base.cacheWriteLongPerMillion ?? cacheWrite),
    output: toUnits(outputPerMillion),
    reasoning: toUnits(tier.reasoningPerMillion ?? base.reasoningPerMillion ?? outputPerMillion),
  }
}

/** The most decimal places of all prices. */
function scaleOf({ tiers, ...base }: Pricing): number {
  const texts = [base, ...tiers].flatMap((prices) => Object.values(prices).filter((price) => typeof price === 'string'))
  return Math.max(...texts.map((text) => parseDecimal(text).scale))
}

function parseDecimal(text: string): Decimal {
  const [whole = '', fraction = ''] = text.split('.')
  return { units: BigInt(whole + fraction), scale: fraction.length }
}

function unitsAt(scale: number, decimal: Decimal): bigint {
  return decimal.units * 10n ** BigInt(scale - decimal.scale)
}

/** The prices that hold for a whole request with so many tokens of input. */
export function tierFor({ tiers }: Prices, inputTokens: number): TokenPrices {
  let found = tiers[0]
  for (const tier of tiers) if (inputTokens >= tier.fromInputTokens) found = tier
  return found
}
