import { createdAtMsOf } from '../config/object-id.ts'
import type { ProviderModelBackend, Snapshot } from '../config/snapshot.ts'
import { type Budget, installationKey } from '../limits/limit.ts'
import type { BackendUses } from './backend-use.ts'
import type { ProblemDraft } from './operational-problem.ts'
import type { ProblemFacts } from './problem-facts.ts'

/** Provider models without a price that are used or covered by a budget. */
export function priceProblems(facts: ProblemFacts, uses: BackendUses): ProblemDraft[] {
  const { snapshot, unpricedSinceMs } = facts
  return unpricedModelIds(snapshot, maxModels).flatMap((id) => {
    const backend = snapshot.backends.get(id)
    if (backend?.kind !== 'providerModel') return []
    const sinceMs = unpricedSinceMs.get(id)
    const budgets = sinceMs === undefined ? budgetsOver(backend, snapshot, uses) : []
    if (sinceMs === undefined && budgets.length === 0) return []
    return {
      code: 'PRICE_MISSING',
      key: id,
      severity: 'NOTICE',
      // Sums are kept per hour, and the hour may have begun before the model was created.
      sinceMs: Math.max(sinceMs ?? 0, createdAtMsOf(id)),
      changedIds: budgets.slice(0, 1).map((budget) => budget.id),
      summary:
        sinceMs === undefined
          ? `${backend.label} has no price, and a budget covers it: what it costs will not be counted.`
          : `${backend.label} is used and has no price: its cost is unknown in reports and budgets.`,
      remedy: `Set one with providerModelUpdate(input: { model: { provider: "${backend.provider.name}", model: ${JSON.stringify(backend.upstreamModel)} }, pricing: { inputPerMillion: …, outputPerMillion: … } }).`,
      subjectId: id,
    } satisfies ProblemDraft
  })
}

export const maxModels = 200

/** The budgets that count the model's cost: on the model, its provider, the routes that use it, and the installation. */
function budgetsOver(backend: ProviderModelBackend, { limits }: Snapshot, uses: BackendUses): readonly Budget[] {
  const { targetedBy, fallbackOf } = uses.of(backend.id)
  const subjects = [
    backend.id,
    backend.provider.id,
    ...[...targetedBy, ...fallbackOf].map(({ id }) => id),
    installationKey,
  ]
  return subjects.flatMap((key) => limits.budgetsBySubject.get(key) ?? [])
}

/** At most `limit` provider models without a price that routes use. */
export function unpricedModelIds(snapshot: ProblemFacts['snapshot'], limit: number): string[] {
  const ids = new Set<string>()
  for (const route of snapshot.routesById.values()) {
    const weighted = route.targets.filter(({ weight }) => weight > 0).map(({ backendId }) => backendId)
    for (const id of [...weighted, ...(route.fallback?.backendIds ?? [])]) {
      const backend = snapshot.backends.get(id)
      if (backend?.kind === 'providerModel' && backend.pricing === null) ids.add(id)
      if (ids.size >= limit) return [...ids]
    }
  }
  return [...ids]
}
