/** Limits that refuse requests, and budgets of which nothing is left. */
import type { Snapshot } from '../config/snapshot.ts'
import { typeOfId } from '../config/object-id.ts'
import { allowedIn } from '../limits/budget-state.ts'
import { periodAt } from '../limits/budget-period.ts'
import type { Budget, LimitSubject, RateLimit } from '../limits/limit.ts'
import { noId } from '../limits/match-limits.ts'
import { requestRate, tokenRate } from '../limits/rates-of.ts'
import type { BackendUses } from './backend-use.ts'
import { listNames, type ProblemDraft, type ProblemSeverity } from './operational-problem.ts'
import type { ProblemFacts } from './problem-facts.ts'

/** One problem for each reached limit, with all its reached parts. */
export function limitProblems({ snapshot, reachedLimits }: ProblemFacts, uses: BackendUses): ProblemDraft[] {
  return [...Map.groupBy(reachedLimits, ({ limitId }) => limitId)].flatMap(([id, parts]) => {
    const limit = snapshot.limits.rateLimits.get(id)
    if (limit?.enforcement !== 'ENFORCE') return []
    return {
      code: 'LIMIT_REACHED',
      key: id,
      severity: severityOf(limit.subject, snapshot, uses),
      sinceMs: Math.min(...parts.map(({ sinceMs }) => sinceMs)),
      summary: `The limit of ${subjectName(limit.subject, snapshot)} (${boundsOf(limit)}) is reached${partsOf(parts, snapshot)}${becomes(limit.subject)}; ${fillTime(limit)}.`,
      remedy: `Raise it with rateLimitUpdate(input: { id: "${id}", … }), or find the callers with many requests in requestLogs.`,
      subjectId: id,
    } satisfies ProblemDraft
  })
}

/** One problem for each exhausted budget, with all its exhausted parts. */
export function budgetProblems(facts: ProblemFacts, uses: BackendUses): ProblemDraft[] {
  const { snapshot, nowMs, exhaustedBudgets } = facts
  return [...Map.groupBy(exhaustedBudgets, ({ budgetId }) => budgetId)].flatMap(([id, parts]) => {
    const budget = snapshot.limits.budgets.get(id)
    if (!budget) return []
    const period = periodAt(budget.period, budget.timeZone, nowMs)
    const known = parts.flatMap(({ sinceMs }) => sinceMs ?? [])
    const resets =
      period.endMs === null
        ? 'its period never ends'
        : `its next period begins at ${new Date(period.endMs).toISOString()}`
    return {
      code: 'BUDGET_EXHAUSTED',
      key: id,
      severity: exhaustionSeverity(budget, snapshot, uses),
      sinceMs: known.length > 0 ? Math.min(...known) : null,
      summary: `The budget of ${subjectName(budget.subject, snapshot)} (${allowedIn(budget, period)} USD${periodWords[budget.period]}) is used up${partsOf(parts, snapshot)}, ${consequences(budget)}; ${resets}.`,
      remedy: `Raise it for this period with budgetRaise(input: { id: "${id}", amount: … }), or for all periods with budgetUpdate.`,
      subjectId: id,
    } satisfies ProblemDraft
  })
}

// ── how bad it is ──

function exhaustionSeverity(budget: Budget, snapshot: Snapshot, uses: BackendUses): ProblemSeverity {
  if (budget.onExhausted === 'NOTIFY') return 'NOTICE'
  const severity = severityOf(budget.subject, snapshot, uses)
  // Backends without a price still serve.
  return budget.onExhausted === 'SKIP_PRICED' && severity === 'CRITICAL' && !isBackend(budget.subject)
    ? 'WARNING'
    : severity
}

/**
 * The severity by the subject: a limit on a caller or a route refuses requests; a limit on a backend moves them to other backends, if
 * there are any.
 */
function severityOf(subject: LimitSubject, { providers }: Snapshot, uses: BackendUses): ProblemSeverity {
  if (subject.kind === 'PROVIDER') {
    const provider = providers.get(subject.id)
    return provider ? uses.severityWithoutProvider(provider) : 'NOTICE'
  }
  return subject.kind === 'PROVIDER_MODEL' || subject.kind === 'DEPLOYMENT'
    ? uses.severityWithout(subject.id)
    : 'CRITICAL'
}

function isBackend({ kind }: LimitSubject): boolean {
  return kind === 'PROVIDER' || kind === 'PROVIDER_MODEL' || kind === 'DEPLOYMENT'
}

// ── words ──

function becomes(subject: LimitSubject): string {
  return isBackend(subject) ? ', and requests go to other backends if there are any' : ', and requests get 429'
}

function consequences({ subject, onExhausted }: Budget): string {
  if (onExhausted === 'NOTIFY') return 'and requests go on'
  if (isBackend(subject)) return 'and requests go to other backends if there are any'
  return onExhausted === 'SKIP_PRICED' ? 'and backends with a price are skipped' : 'and requests are refused'
}

const periodWords: Readonly<Record<Budget['period'], string>> = {
  DAY: ' a day',
  WEEK: ' a week',
  MONTH: ' a month',
  QUARTER: ' a quarter',
  YEAR: ' a year',
  TOTAL: ' in all',
}

function boundsOf({ requestsPerMinute, tokensPerMinute, inFlight }: RateLimit): string {
  const bounds = [
    ...(requestsPerMinute === null ? [] : [`${requestsPerMinute} requests a minute`]),
    ...(tokensPerMinute === null ? [] : [`${tokensPerMinute} tokens a minute`]),
    ...(inFlight === null ? [] : [`${inFlight} requests at the same time`]),
  ]
  return bounds.join(', ')
}

/** The time in words that stay the same while the problem lasts: an instant would change with each request. */
function fillTime(limit: RateLimit): string {
  const rates = [requestRate(limit), tokenRate(limit)].filter((rate) => rate !== null)
  if (rates.length === 0) return 'it has room again as requests end'
  const seconds = Math.max(...rates.map(({ burst, perMinute }) => Math.ceil((burst / perMinute) * 60)))
  return `it is full again ${seconds} s after the last request`
}

/** Which parts are meant; nothing for a limit that all requests share. */
function partsOf(parts: readonly { readonly bucket: string }[], snapshot: Snapshot): string {
  const named = parts.filter(({ bucket }) => bucket !== '')
  if (named.length === 0) return ''
  return ` by ${listNames(
    named.map(({ bucket }) =>
      bucket
        .split(' ')
        .map((id) => nameOfId(id, snapshot))
        .join(' with '),
    ),
  )}`
}

function nameOfId(id: string, snapshot: Snapshot): string {
  if (id === noId) return 'requests without a key'
  const type = typeOfId(id)
  if (type === 'ApiKey') return subjectName({ kind: 'API_KEY', id }, snapshot)
  return subjectName({ kind: type === 'User' ? 'USER' : 'ROUTE', id }, snapshot)
}

function subjectName(subject: LimitSubject, snapshot: Snapshot): string {
  if (subject.kind === 'INSTALLATION') return 'the installation'
  const { id } = subject
  switch (subject.kind) {
    case 'USER':
      return `the user ${snapshot.users.get(id)?.name ?? id}`
    case 'API_KEY':
      return `the API key ${snapshot.apiKeysById.get(id)?.name ?? id}`
    case 'ROUTE':
      return `the route ${snapshot.routesById.get(id)?.name ?? id}`
    case 'PROVIDER':
      return `the provider ${snapshot.providers.get(id)?.name ?? id}`
    case 'PROVIDER_MODEL':
    case 'DEPLOYMENT':
      return snapshot.backends.get(id)?.label ?? id
  }
}
