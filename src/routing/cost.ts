import type { Pricing } from './configuration.ts'
import type { TokenUsage } from './usage-record.ts'

/** A decimal as `units` of 10 to the power of -`scale`. */
interface Decimal {
  readonly units: bigint
  readonly scale: number
}

interface Prices {
  readonly input: Decimal
  readonly cachedInput: Decimal
  readonly output: Decimal
}

/** Prices are per million tokens. */
const millionScale = 6

const parsed = new WeakMap<Pricing, Prices>()

/**
 * USD for these tokens, an exact decimal without trailing zeros; null without a price. Cached input has its own price, or that
 * of input; reasoning is output.
 */
export function costOf(tokens: TokenUsage, pricing: Pricing | null): string | null {
  if (!pricing) return null
  const { input, cachedInput, output } = pricesOf(pricing)
  const uncached = tokens.inputTokens - tokens.cachedInputTokens
  const parts = [
    times(input, uncached),
    times(cachedInput, tokens.cachedInputTokens),
    times(output, tokens.outputTokens),
  ]
  const { units, scale } = parts.reduce(add)
  return format({ units, scale: scale + millionScale })
}

function pricesOf(pricing: Pricing): Prices {
  let prices = parsed.get(pricing)
  if (!prices) {
    const { inputPerMillion, cachedInputPerMillion, outputPerMillion } = pricing
    prices = {
      input: parse(inputPerMillion),
      cachedInput: parse(cachedInputPerMillion ?? inputPerMillion),
      output: parse(outputPerMillion),
    }
    parsed.set(pricing, prices)
  }
  return prices
}

function parse(text: string): Decimal {
  const [whole = '', fraction = ''] = text.split('.')
  return { units: BigInt(whole + fraction), scale: fraction.length }
}

function times({ units, scale }: Decimal, count: number): Decimal {
  return { units: units * BigInt(count), scale }
}

function add(a: Decimal, b: Decimal): Decimal {
  const scale = Math.max(a.scale, b.scale)
  return { units: a.units * 10n ** BigInt(scale - a.scale) + b.units * 10n ** BigInt(scale - b.scale), scale }
}

function format({ units, scale }: Decimal): string {
  const digits = units.toString().padStart(scale + 1, '0')
  const fraction = digits.slice(digits.length - scale).replace(/0+$/, '')
  const whole = digits.slice(0, digits.length - scale)
  return fraction === '' ? whole : `${whole}.${fraction}`
}
