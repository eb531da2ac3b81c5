/** Money as budgets reserve it: whole billionths of a USD, rounded up. What was spent is known exactly, from the records. */
import { type BilledUsage, costOf } from '../usage/cost.ts'
import type { Pricing } from '../config/configuration.ts'
import { noUnits } from '../usage/record.ts'
import { pricesOf } from '../usage/prices.ts'

const places = 9
/** No request costs more than can be counted exactly. */
const mostNano = Number.MAX_SAFE_INTEGER

/** Billionths of a USD, rounded up. */
export function nanoOf(usd: string): number {
  const [whole = '0', fraction = ''] = usd.split('.')
  const nano = Number(whole) * 1e9 + Number(fraction.slice(0, places).padEnd(places, '0'))
  return Math.min(mostNano, /[1-9]/.test(fraction.slice(places)) ? nano + 1 : nano)
}

/** What a request is expected to take at most. */
export interface MostUsage {
  readonly inputTokens: number
  readonly outputTokens: number
  readonly images: number
  readonly characters: number
}

/** The most that a request may cost, in billionths of a USD: by the dearest kind of input and output, and the dearest service tier. */
export function mostCost(usage: MostUsage, pricing: Pricing): number {
  let most = 0
  const serviceTier = dearestServiceTier(pricing)
  for (const kind of inputKinds) {
    for (const reasoningTokens of [0, usage.outputTokens]) {
      const cost = costOf(billed(usage, kind, reasoningTokens, serviceTier), pricing)
      if (cost !== null) most = Math.max(most, nanoOf(cost))
    }
  }
  return most
}

const inputKinds = ['input', 'cacheWrite', 'cacheWriteLong'] as const

function billed(
  usage: MostUsage,
  kind: (typeof inputKinds)[number],
  reasoningTokens: number,
  serviceTier: string | null,
): BilledUsage {
  const { inputTokens, outputTokens, images, characters } = usage
  return {
    ...noUnits,
    images,
    characters,
    tokens: {
      inputTokens,
      outputTokens,
      reasoningTokens,
      cachedInputTokens: 0,
      cacheWriteTokens: kind === 'input' ? 0 : inputTokens,
    },
    cacheWriteLongTokens: kind === 'cacheWriteLong' ? inputTokens : 0,
    searchUnits: null,
    serviceTier,
  }
}

/** Null: none is dearer than the price itself. */
function dearestServiceTier(pricing: Pricing): string | null {
  let dearest: string | null = null
  let most = 1
  for (const [name, { units, scale }] of pricesOf(pricing).factors) {
    const factor = Number(units) / 10 ** scale
    if (factor > most) [dearest, most] = [name, factor]
  }
  return dearest
}
