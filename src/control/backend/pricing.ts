import type { Pricing, PricingTier, ServiceTierFactor, TokenPricing } from '../../routing/config/configuration.ts'
import { canonicalDecimal } from '../../routing/usage/decimal.ts'
import { collectEach, collectMembers } from '../kit/collect-faults.ts'
import { refuseInput } from '../kit/refusal.ts'

/** Null and omitted both mean that there is no such price. */
type OptionalPrice = string | null | undefined

export interface TokenPricingInput {
  readonly inputPerMillion: string
  readonly outputPerMillion: string
  readonly cachedInputPerMillion?: OptionalPrice
  readonly cacheWritePerMillion?: OptionalPrice
  readonly cacheWriteLongPerMillion?: OptionalPrice
  readonly reasoningPerMillion?: OptionalPrice
}

export interface PricingTierInput extends TokenPricingInput {
  readonly fromInputTokens: number
}

export interface PricingInput extends TokenPricingInput {
  readonly perRequest?: OptionalPrice
  readonly perImage?: OptionalPrice
  readonly perAudioSecond?: OptionalPrice
  readonly perMillionCharacters?: OptionalPrice
  /** Omitted: none. */
  readonly tiers?: readonly PricingTierInput[]
  /** Omitted: none. */
  readonly serviceTiers?: readonly ServiceTierFactor[]
}

type Path = readonly string[]

const maxTiers = 8
/** No model reads that many tokens at once: a larger number is a mistake. */
const maxFromInputTokens = 1_000_000_000
const maxFactor = 100

/** The stored form of the pricing; null if none is given. Throws `INVALID` or `LIMIT_EXCEEDED` with all faults at once. */
export function resolvePricing(input: PricingInput | null | undefined, path: Path): Pricing | null {
  if (!input) return null
  const price = (name: keyof PricingInput) => resolvePrice(input[name] as OptionalPrice, [...path, name])
  return collectMembers<Pricing>({
    ...tokenPrices(input, path),
    perRequest: () => price('perRequest'),
    perImage: () => price('perImage'),
    perAudioSecond: () => price('perAudioSecond'),
    perMillionCharacters: () => price('perMillionCharacters'),
    tiers: () => resolveTiers(input.tiers ?? [], [...path, 'tiers']),
    serviceTiers: () => resolveServiceTiers(input.serviceTiers ?? [], [...path, 'serviceTiers']),
  })
}

function tokenPrices(input: TokenPricingInput, path: Path): { [Name in keyof TokenPricing]: () => TokenPricing[Name] } {
  const price = (name: keyof TokenPricingInput) => resolvePrice(input[name], [...path, name])
  return {
    inputPerMillion: () => price('inputPerMillion')!,
    outputPerMillion: () => price('outputPerMillion')!,
    cachedInputPerMillion: () => price('cachedInputPerMillion'),
    cacheWritePerMillion: () => price('cacheWritePerMillion'),
    cacheWriteLongPerMillion: () => price('cacheWriteLongPerMillion'),
    reasoningPerMillion: () => price('reasoningPerMillion'),
  }
}

function resolvePrice(text: OptionalPrice, path: Path): string | null {
  if (text == null) return null
  if (!/^\d{1,9}(\.\d{1,12})?$/.test(text))
    throw refuseInput('INVALID', path, 'A price is a decimal from 0 to 999999999 with at most 12 decimal places.')
  return canonicalDecimal(text)
}

function resolveTiers(inputs: readonly PricingTierInput[], path: Path): readonly PricingTier[] {
  requireFew(inputs, path, 'tiers')
  return collectEach(inputs, (input, index) => {
    const at = [...path, String(index)]
    return collectMembers<PricingTier>({
      fromInputTokens: () =>
        requireAscending(input.fromInputTokens, inputs[index - 1]?.fromInputTokens ?? 0, [...at, 'fromInputTokens']),
      ...tokenPrices(input, at),
    })
  })
}

function requireAscending(fromInputTokens: number, before: number, path: Path): number {
  if (!Number.isSafeInteger(fromInputTokens) || fromInputTokens < 1 || fromInputTokens > maxFromInputTokens)
    throw refuseInput('INVALID', path, `A tier begins at 1 to ${maxFromInputTokens} tokens of input.`)
  if (fromInputTokens <= before)
    throw refuseInput('INVALID', path, 'Tiers ascend: each begins at more tokens than the one before.')
  return fromInputTokens
}

function resolveServiceTiers(inputs: readonly ServiceTierFactor[], path: Path): readonly ServiceTierFactor[] {
  requireFew(inputs, path, 'service tiers')
  const names = inputs.map(({ serviceTier }) => serviceTier)
  return collectEach(inputs, ({ serviceTier, factor }, index) => {
    const at = [...path, String(index)]
    return collectMembers<ServiceTierFactor>({
      serviceTier: () => requireServiceTier(serviceTier, names.indexOf(serviceTier) === index, [...at, 'serviceTier']),
      factor: () => requireFactor(factor, [...at, 'factor']),
    })
  })
}

function requireServiceTier(serviceTier: string, isFirst: boolean, path: Path): string {
  if (!/^[\w.:-]{1,64}$/.test(serviceTier))
    throw refuseInput(
      'INVALID',
      path,
      'A service tier is 1 to 64 letters, digits, dots, colons, hyphens and underscores.',
    )
  if (!isFirst) throw refuseInput('INVALID', path, 'The service tier is listed twice.')
  return serviceTier
}

function requireFactor(text: string, path: Path): string {
  if (!/^\d{1,3}(\.\d{1,6})?$/.test(text) || !(Number(text) > 0 && Number(text) <= maxFactor))
    throw refuseInput(
      'INVALID',
      path,
      `A factor is a decimal above 0, at most ${maxFactor}, with at most 6 decimal places.`,
    )
  return canonicalDecimal(text)
}

function requireFew(inputs: readonly unknown[], path: Path, what: string): void {
  if (inputs.length > maxTiers) throw refuseInput('LIMIT_EXCEEDED', path, `A price has at most ${maxTiers} ${what}.`)
}
