import type { BackendHealthReport } from '../../routing/health/backend-health.ts'
import type { FailingHealth } from '../../routing/problems/problem-facts.ts'

/** Joins what gateways report of what has failed without a success in between: the first beginning, and the worst state. */
export function joinFailing(
  reports: readonly Readonly<Record<string, BackendHealthReport>>[],
): ReadonlyMap<string, FailingHealth> {
  const joined = new Map<string, FailingHealth>()
  for (const report of reports) {
    for (const [id, health] of Object.entries(report)) {
      const failing = failingOf(health)
      if (failing) joined.set(id, worseOf(joined.get(id), failing))
    }
  }
  return joined
}

function failingOf({ circuit, failingSinceMs, ejectedAtMs, lastError }: BackendHealthReport): FailingHealth | null {
  const isEjected = circuit !== 'CLOSED'
  // A gateway of an earlier release reports only current ejections.
  const sinceMs = failingSinceMs === undefined && isEjected ? ejectedAtMs : failingSinceMs
  return sinceMs === null || sinceMs === undefined ? null : { sinceMs, isEjected, lastError }
}

function worseOf(known: FailingHealth | undefined, reported: FailingHealth): FailingHealth {
  if (!known) return reported
  return {
    sinceMs: Math.min(known.sinceMs, reported.sinceMs),
    isEjected: known.isEjected || reported.isEjected,
    lastError: known.lastError ?? reported.lastError,
  }
}
