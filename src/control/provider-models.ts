import type { ProviderConfiguration } from '../routing/configuration.ts'
import type { ModelCategory } from '../routing/vocabulary.ts'
import { createId } from '../storage/create-id.ts'
import { guessCategories } from './model-category.ts'
import { type PricingInput, resolvePricing } from './pricing.ts'
import { resolveAbilities } from './model-abilities.ts'
import { refuseInput } from './refusal.ts'
import { requireUpstreamModel } from './text.ts'

const maxModels = 500

export interface ProviderModelInput {
  readonly upstreamModel: string
  /** Omitted: as before, or guessed from the name. */
  readonly categories?: readonly ModelCategory[] | null | undefined
  /** Null: unknown. Omitted: that, or as before. */
  readonly pricing?: PricingInput | null | undefined
  /** Null: what the kind is known for. Omitted: that, or what was stated before. */
  readonly operations?: readonly string[] | null | undefined
  /** Null: unknown. Omitted: that, or what was stated before. */
  readonly contextTokens?: number | null | undefined
}

/**
 * The models as they are stored, in the caller's order; one whose name was there before keeps its id. Throws `INVALID` or
 * `LIMIT_EXCEEDED` at the place of the fault.
 */
export function resolveModels(
  inputs: readonly ProviderModelInput[],
  before: ProviderConfiguration['models'],
  path: readonly string[],
  placeOf = (index: number): readonly string[] => [...path, String(index)],
): ProviderConfiguration['models'] {
  if (inputs.length > maxModels)
    throw refuseInput('LIMIT_EXCEEDED', path, `A provider has at most ${maxModels} models.`)
  const modelsByName = new Map(before.map((model) => [model.upstreamModel, model]))
  // By what is seen of them; upstream is sent each as it is.
  const seen = new Set<string>()
  return inputs.map((input, index) => {
    const at = placeOf(index)
    const { upstreamModel } = input
    requireUpstreamModel(upstreamModel, [...at, 'upstreamModel'])
    const seenName = upstreamModel.normalize('NFC')
    if (seen.has(seenName)) throw refuseInput('INVALID', [...at, 'upstreamModel'], 'The model is listed twice.')
    seen.add(seenName)
    if (input.categories?.length === 0)
      throw refuseInput('INVALID', [...at, 'categories'], 'A model has at least one category; omitted: guessed.')
    const old = modelsByName.get(upstreamModel)
    return {
      id: old?.id ?? createId('ProviderModel'),
      upstreamModel,
      categories: input.categories
        ? [...new Set(input.categories)]
        : (old?.categories ?? guessCategories(upstreamModel)),
      pricing: input.pricing === undefined ? (old?.pricing ?? null) : resolvePricing(input.pricing, [...at, 'pricing']),
      ...resolveAbilities(input, old, at),
    }
  })
}
