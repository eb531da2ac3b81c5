/** The type of problems, and their order. */

/** Worst first. `CRITICAL`: requests fail. `WARNING`: requests go elsewhere than configured. `NOTICE`: nothing fails yet. */
export const problemSeverities = ['CRITICAL', 'WARNING', 'NOTICE'] as const
export type ProblemSeverity = (typeof problemSeverities)[number]

export const problemCodes = [
  'ROUTE_UNAVAILABLE',
  'ROUTE_DIVERGES',
  'BACKEND_UNHEALTHY',
  'BACKEND_MISCONFIGURED',
  'CREDENTIAL_REFUSED',
  'BUDGET_EXHAUSTED',
  'LIMIT_REACHED',
  'GATEWAY_LOST',
  'GATEWAY_BEHIND',
  'USAGE_DELAYED',
  'DATABASE_UNREACHABLE',
  'KEY_EXPIRES_SOON',
  'PRICE_MISSING',
  'UPSTREAM_ERRORS',
] as const
export type ProblemCode = (typeof problemCodes)[number]

/** Something that an operator should look at. */
export interface OperationalProblem {
  /** The same for as long as it lasts, in every process: the code and what it is about. */
  readonly id: string
  readonly severity: ProblemSeverity
  readonly code: ProblemCode
  /** Milliseconds since the epoch. */
  readonly sinceMs: number
  /** What is wrong, in one sentence. */
  readonly summary: string
  /** What to do, in one sentence. */
  readonly remedy: string
  /** The id of the object that it concerns; null if that object has no id in the API. */
  readonly subjectId: string | null
}

/** A problem whose beginning is not known from the live state alone. */
export interface ProblemDraft extends Omit<OperationalProblem, 'id' | 'sinceMs'> {
  /** Distinguishes it from other problems with the same code: mostly the id of its subject. */
  readonly key: string
  /** Milliseconds since the epoch; null: only the configuration says. */
  readonly sinceMs: number | null
  /** Objects whose configuration is the cause: it did not begin before the last of them was changed. */
  readonly changedIds?: readonly string[]
}

export const maxProblems = 100

/** Worst first, then the one that lasts longest. */
export function compareProblems(a: OperationalProblem, b: OperationalProblem): number {
  return severityRank(a) - severityRank(b) || a.sinceMs - b.sinceMs || (a.id < b.id ? -1 : 1)
}

function severityRank({ severity }: OperationalProblem): number {
  return problemSeverities.indexOf(severity)
}

/** At most five names, and how many more there are: `a, b and 3 more`. */
export function listNames(names: readonly string[]): string {
  const shown = names.slice(0, 5).join(', ')
  return names.length > 5 ? `${shown} and ${names.length - 5} more` : shown
}
