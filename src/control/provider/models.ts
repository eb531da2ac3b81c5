import type { ProviderConfiguration } from '../../routing/config/configuration.ts'
import type { ModelCategory } from '../../routing/config/vocabulary.ts'
import { createId } from '../../storage/database/create-id.ts'
import { collectEach, collectMembers } from '../kit/collect-faults.ts'
import { guessCategories } from '../backend/category.ts'
import { type PricingInput, resolvePricing } from '../backend/pricing.ts'
import { resolveCapabilities } from '../backend/capabilities.ts'
import { refuseInput } from '../kit/refusal.ts'
import { requireUpstreamModel } from '../kit/text.ts'

const maxModels = 500

export interface ProviderModelInput {
  readonly upstreamModel: string
  /** Omitted: unchanged, or for a new model derived from the name. */
  readonly categories?: readonly ModelCategory[] | null | undefined
  /** Null: unknown. Omitted: unchanged, or for a new model unknown. */
  readonly pricing?: PricingInput | null | undefined
  /** Null: the operations known for the kind. Omitted: unchanged, or for a new model those. */
  readonly operations?: readonly string[] | null | undefined
  /** Null: unknown. Omitted: unchanged, or for a new model unknown. */
  readonly contextTokens?: number | null | undefined
}

/**
 * The stored form of the models, in the caller's order. A model whose name was listed before keeps its id. Throws `INVALID` or
 * `LIMIT_EXCEEDED` at the path of the fault.
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
  // Names are compared in normal form, but sent upstream as they were entered.
  const seen = new Set<string>()
  const requireNew = (upstreamModel: string, at: readonly string[]) => {
    requireUpstreamModel(upstreamModel, at)
    const seenName = upstreamModel.normalize('NFC')
    if (seen.has(seenName)) throw refuseInput('INVALID', at, 'The model is listed twice.')
    seen.add(seenName)
    return upstreamModel
  }
  return collectEach(inputs, (input, index) => {
    const at = placeOf(index)
    const old = modelsByName.get(input.upstreamModel)
    const { abilities, ...model } = collectMembers({
      upstreamModel: () => requireNew(input.upstreamModel, [...at, 'upstreamModel']),
      categories: () => resolveCategories(input, old, [...at, 'categories']),
      pricing: () =>
        input.pricing === undefined ? (old?.pricing ?? null) : resolvePricing(input.pricing, [...at, 'pricing']),
      abilities: () => resolveCapabilities(input, old, at),
    })
    return { id: old?.id ?? createId('ProviderModel'), ...model, ...abilities }
  })
}

function resolveCategories(
  { upstreamModel, categories }: ProviderModelInput,
  old: ProviderConfiguration['models'][number] | undefined,
  path: readonly string[],
): readonly ModelCategory[] {
  if (!categories) return old?.categories ?? guessCategories(upstreamModel)
  if (categories.length === 0)
    throw refuseInput('INVALID', path, 'A model has at least one category. Omit the list to derive it from the name.')
  return [...new Set(categories)]
}
