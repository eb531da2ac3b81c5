import { createdAtMsOf } from '../config/object-id.ts'
import type { BackendUses } from './backend-use.ts'
import type { ProblemDraft } from './operational-problem.ts'
import type { ProblemFacts } from './problem-facts.ts'

/** Provider models that are paid for, and of which nobody knows how much. */
export function priceProblems({ snapshot, unpricedSinceMs }: ProblemFacts, uses: BackendUses): ProblemDraft[] {
  return [...unpricedSinceMs].flatMap(([id, sinceMs]) => {
    const backend = snapshot.backends.get(id)
    if (backend?.kind !== 'providerModel' || backend.pricing !== null || !uses.isUsed(id)) return []
    return {
      code: 'PRICE_MISSING',
      key: id,
      severity: 'NOTICE',
      // Sums are kept by the hour, which may have begun before the model was there.
      sinceMs: Math.max(sinceMs, createdAtMsOf(id)),
      summary: `${backend.label} is used and has no price: its cost is unknown in reports and budgets.`,
      remedy: `Set one with providerModelUpdate(input: { model: { provider: "${backend.provider.name}", model: ${JSON.stringify(backend.upstreamModel)} }, pricing: { inputPerMillion: …, outputPerMillion: … } }).`,
      subjectId: id,
    } satisfies ProblemDraft
  })
}

/** Provider models without a price that routes use: those whose traffic is worth a look. At most `limit`. */
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
