/** Derives the current problems from all facts. */
import { backendProblems, credentialProblems } from './backend-problems.ts'
import { BackendUses } from './backend-use.ts'
import { installationProblems } from './installation-problems.ts'
import { keyProblems } from './key-problems.ts'
import { budgetProblems, limitProblems } from './limit-problems.ts'
import { compareProblems, maxProblems, type OperationalProblem, type ProblemDraft } from './operational-problem.ts'
import { priceProblems } from './price-problems.ts'
import type { ProblemFacts } from './problem-facts.ts'
import { routeProblems } from './route-problems.ts'

/** All problems, in no order. `sinceMs` is null where only the configuration tells the beginning. */
export function deriveProblems(facts: ProblemFacts): ProblemDraft[] {
  const uses = new BackendUses(facts)
  return [
    ...installationProblems(facts),
    ...routeProblems(facts, uses),
    ...backendProblems(facts, uses),
    ...credentialProblems(facts, uses),
    ...budgetProblems(facts, uses),
    ...limitProblems(facts, uses),
    ...keyProblems(facts),
    ...priceProblems(facts, uses),
  ]
}

/**
 * The hundred worst problems, worst first. `changedAtMs` returns when an object was last changed, if known. `knownSinceMs` returns the
 * earlier beginning of a problem, so that the beginning does not change while it lasts.
 */
export function rankProblems(
  drafts: readonly ProblemDraft[],
  nowMs: number,
  changedAtMs: (id: string) => number | undefined,
  knownSinceMs: (problemId: string) => number | undefined,
): OperationalProblem[] {
  const problems = drafts.map(({ key, sinceMs, changedIds = [], ...rest }) => {
    const id = `${rest.code}:${key}`
    const begun = [
      ...(sinceMs === null ? [] : [sinceMs]),
      ...changedIds.flatMap((changed) => changedAtMs(changed) ?? []),
    ]
    const derived = begun.length > 0 ? Math.max(...begun) : nowMs
    return { ...rest, id, sinceMs: Math.min(derived, knownSinceMs(id) ?? Infinity, nowMs) }
  })
  return problems.sort(compareProblems).slice(0, maxProblems)
}
