import type { Pricing } from '../config/configuration.ts'
import type { TokenUsage, UnitUsage } from './record.ts'
import { type Prices, pricesOf, tierFor } from './prices.ts'

/** The usage by which an answer is billed, as the answer reported it. */
export interface BilledUsage extends UnitUsage {
  /** Null: unknown. */
  readonly tokens: TokenUsage | null
  /** Part of `tokens.cacheWriteTokens`: written to a cache for an hour. */
  readonly cacheWriteLongTokens: number
  /** Search units of a rerank answer; null if it reports none and counts as one. */
  readonly searchUnits: number | null
  readonly serviceTier: string | null
}

/** Prices of tokens are per million. */
const millionScale = 6
const million = 1_000_000n

/**
 * USD for an answer, an exact decimal without trailing zeros. Null without a price, or if nothing that has a price was reported.
 *
 * Tokens of input are billed once: as cached, as written to a cache, or as input. The tier is that of the whole input. All of it is
 * multiplied by the factor of the answer's service tier.
 */
export function costOf(usage: BilledUsage, pricing: Pricing | null): string | null {
  if (!pricing) return null
  const prices = pricesOf(pricing)
  const units = addUnits(usage, prices)
  if (usage.tokens === null && units === null) return null
  const sum =
    (units ?? 0n) + (usage.tokens === null ? 0n : costOfTokens(usage.tokens, usage.cacheWriteLongTokens, prices))
  const scale = prices.scale + millionScale
  const factor = usage.serviceTier === null ? undefined : prices.factors.get(usage.serviceTier)
  return factor ? format(sum * factor.units, scale + factor.scale) : format(sum, scale)
}

function costOfTokens(tokens: TokenUsage, longTokens: number, prices: Prices): bigint {
  const { inputTokens, cachedInputTokens, cacheWriteTokens, outputTokens, reasoningTokens } = tokens
  const tier = tierFor(prices, inputTokens)
  const cost =
    tier.input * BigInt(inputTokens - cachedInputTokens - cacheWriteTokens) +
    tier.output * BigInt(outputTokens - reasoningTokens)
  if (cachedInputTokens + cacheWriteTokens + reasoningTokens === 0) return cost
  return (
    cost +
    tier.cachedInput * BigInt(cachedInputTokens) +
    tier.cacheWrite * BigInt(cacheWriteTokens - longTokens) +
    tier.cacheWriteLong * BigInt(longTokens) +
    tier.reasoning * BigInt(reasoningTokens)
  )
}

/** The cost of the units; null if they have no price or none were reported. */
function addUnits(usage: BilledUsage, prices: Prices): bigint | null {
  const { perRequest, perImage, perAudioSecond, perMillionCharacters } = prices
  if (perRequest === null && perImage === null && perAudioSecond === null && perMillionCharacters === null) return null
  let sum: bigint | null = null
  const add = (price: bigint | null, count: number | null, factor: bigint) => {
    if (price !== null && count !== null) sum = (sum ?? 0n) + price * BigInt(count) * factor
  }
  add(perRequest, usage.searchUnits ?? 1, million)
  add(perImage, usage.images, million)
  // In millionths of a second, as a price of a million is one of each.
  add(perAudioSecond, usage.audioSeconds === null ? null : Math.round(usage.audioSeconds * 1_000_000), 1n)
  add(perMillionCharacters, usage.characters, 1n)
  return sum
}

function format(units: bigint, scale: number): string {
  const digits = units.toString().padStart(scale + 1, '0')
  const fraction = digits.slice(digits.length - scale).replace(/0+$/, '')
  const whole = digits.slice(0, digits.length - scale)
  return fraction === '' ? whole : `${whole}.${fraction}`
}
