import type { Pricing } from '../config/configuration.ts'
import { type Decimal, type Prices, pricesOf, type TokenPrices } from './prices.ts'

/** The most that a request can use; omitted members are 0. */
export interface MostUsage {
  readonly inputTokens: number
  readonly outputTokens: number
  readonly images?: number
  readonly audioSeconds?: number
  readonly characters?: number
}

/** The scale of nano-USD, in which amounts are whole numbers. */
const nanosScale = 9
const millionScale = 6
const million = 1_000_000n
const one: Decimal = { units: 1n, scale: 0 }

/**
 * The most that a request can cost, in nano-USD (10^-9), rounded up: no request that stays within `most` costs more, whatever part of
 * its input is cached or written to a cache, whatever part of its output is reasoning, whichever tier its input reaches, and whatever
 * service tier its answer names. At most `Number.MAX_SAFE_INTEGER`. The counts are whole numbers from 0 on; seconds may be fractions.
 */
export function mostCostNanos(pricing: Pricing, most: MostUsage): number {
  const prices = pricesOf(pricing)
  const units = mostOfTokens(prices, most) + mostOfUnits(prices, most)
  const factor = highestFactor(prices)
  const nanos = toNanos({ units: units * factor.units, scale: prices.scale + millionScale + factor.scale })
  return Number(nanos > maxNanos ? maxNanos : nanos)
}

const maxNanos = BigInt(Number.MAX_SAFE_INTEGER)

/**
 * The greatest cost of the tokens. A higher tier may be cheaper, so each tier that the input can reach is computed with the most input
 * that it applies to.
 */
function mostOfTokens({ tiers }: Prices, { inputTokens, outputTokens }: MostUsage): bigint {
  let most = 0n
  for (const [at, tier] of tiers.entries()) {
    if (tier.fromInputTokens > inputTokens) break
    const next = tiers[at + 1]
    const input = next === undefined ? inputTokens : Math.min(inputTokens, next.fromInputTokens - 1)
    const cost = BigInt(input) * highestInput(tier) + BigInt(outputTokens) * greater(tier.output, tier.reasoning)
    most = greater(most, cost)
  }
  return most
}

function highestInput({ input, cachedInput, cacheWrite, cacheWriteLong }: TokenPrices): bigint {
  return greater(greater(input, cachedInput), greater(cacheWrite, cacheWriteLong))
}

function mostOfUnits(prices: Prices, { images = 0, audioSeconds = 0, characters = 0 }: MostUsage): bigint {
  const each = (prices.perRequest ?? 0n) + (prices.perImage ?? 0n) * BigInt(images)
  const micros = BigInt(Math.ceil(audioSeconds * 1_000_000))
  return (
    each * million + (prices.perAudioSecond ?? 0n) * micros + (prices.perMillionCharacters ?? 0n) * BigInt(characters)
  )
}

/** The highest factor, at least 1: an answer may name an unlisted service tier or none. */
function highestFactor({ factors }: Prices): Decimal {
  let highest = one
  for (const factor of factors.values()) if (isGreater(factor, highest)) highest = factor
  return highest
}

function isGreater(a: Decimal, b: Decimal): boolean {
  return a.units * 10n ** BigInt(b.scale) > b.units * 10n ** BigInt(a.scale)
}

function toNanos({ units, scale }: Decimal): bigint {
  if (scale <= nanosScale) return units * 10n ** BigInt(nanosScale - scale)
  const divisor = 10n ** BigInt(scale - nanosScale)
  return (units + divisor - 1n) / divisor
}

function greater(a: bigint, b: bigint): bigint {
  return a > b ? a : b
}
