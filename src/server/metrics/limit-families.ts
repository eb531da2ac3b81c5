import type { Budget, LimitSubject, RateLimit } from '../../routing/limits/limit.ts'
import type { Snapshot } from '../../routing/config/snapshot.ts'
import { type BudgetPart, readBudgetStates } from '../../storage/budget/states.ts'
import type { Db } from '../../storage/database/db.ts'
import { type RateLimitState, readRateLimitStates } from '../../storage/limit/states.ts'
import type { Labels, MetricFamily, Sample } from './metric-family.ts'

/** Limits, and budgets, that have series of their own. */
const maxSeries = 200
/** A database that does not answer must not keep the rest of the page. */
const patienceMs = 2_000

export interface LimitMetrics {
  readonly families: readonly MetricFamily[]
  /** Reads the states for the next page. Never rejects: without the database there are none. */
  readonly refresh: () => Promise<void>
}

interface Reading<State> {
  readonly labels: Labels
  readonly states: readonly State[]
}

interface Readings {
  readonly limits: readonly Reading<RateLimitState>[]
  readonly budgets: readonly Reading<BudgetPart>[]
}

const none: Readings = { limits: [], budgets: [] }

/** How the first 200 limits and the first 200 budgets stand, over all gateways. Of what is counted apart the part that is used most. */
export function createLimitMetrics(db: Db, snapshot: () => Snapshot): LimitMetrics {
  let readings = none
  const ofLimits = (
    name: string,
    help: string,
    valueOf: (states: readonly RateLimitState[]) => number | null,
  ): MetricFamily => ({ name, help, type: 'gauge', read: () => samplesOf(readings.limits, valueOf) })
  const ofBudgets = (
    name: string,
    help: string,
    valueOf: (states: readonly BudgetPart[]) => number | null,
  ): MetricFamily => ({ name, help, type: 'gauge', read: () => samplesOf(readings.budgets, valueOf) })
  return {
    families: [
      ofLimits('signalbox_limit_requests_left', 'Requests that have room in a rate limit.', (states) =>
        leastOf(states.map(({ requestsLeft }) => requestsLeft)),
      ),
      ofLimits('signalbox_limit_tokens_left', 'Tokens that have room in a rate limit.', (states) =>
        leastOf(states.map(({ tokensLeft }) => tokensLeft)),
      ),
      ofLimits('signalbox_limit_refused_last_hour', 'Requests that a rate limit refused in the last hour.', (states) =>
        sumOf(states.map(({ refusedLastHour }) => refusedLastHour)),
      ),
      ofLimits(
        'signalbox_limit_would_refuse_last_hour',
        'Requests that a rate limit would have refused in the last hour if it were enforced.',
        (states) => sumOf(states.map(({ wouldRefuseLastHour }) => wouldRefuseLastHour)),
      ),
      ofBudgets('signalbox_budget_allowed_usd', 'What may be spent in the running period, with raises.', (parts) =>
        usdOf(parts[0]?.state.allowed),
      ),
      ofBudgets('signalbox_budget_spent_usd', 'What finished requests of the running period have cost.', (parts) =>
        usdOf(parts[0]?.state.spent),
      ),
      ofBudgets('signalbox_budget_exhausted', 'Parts of a budget of which nothing remains.', (parts) =>
        sumOf(parts.map(({ state }) => (state.exhausted ? 1 : 0))),
      ),
    ],
    async refresh() {
      const late = Promise.withResolvers<Readings>()
      const timer = setTimeout(() => late.resolve(none), patienceMs).unref()
      readings = await Promise.race([readAll(db, snapshot()), late.promise]).catch(() => none)
      clearTimeout(timer)
    },
  }
}

async function readAll(db: Db, snapshot: Snapshot): Promise<Readings> {
  const { rateLimits, budgets } = snapshot.limits
  if (rateLimits.size === 0 && budgets.size === 0) return none
  return await db
    .transaction()
    .setIsolationLevel('repeatable read')
    .setAccessMode('read only')
    .execute(async (tx) => ({
      limits: await readEach(rateLimits.values(), snapshot, ({ id }) => readRateLimitStates(tx, id)),
      budgets: await readEach(budgets.values(), snapshot, (budget) =>
        readBudgetStates(tx, budget, Date.now(), { withPace: false }),
      ),
    }))
}

async function readEach<VisibilitySubject extends RateLimit | Budget, State>(
  all: Iterable<VisibilitySubject>,
  snapshot: Snapshot,
  read: (limited: VisibilitySubject) => Promise<readonly State[]>,
): Promise<Reading<State>[]> {
  const first = [...all].sort((a, b) => (a.id < b.id ? -1 : 1)).slice(0, maxSeries)
  const readings: Reading<State>[] = []
  for (const limited of first) readings.push({ labels: labelsOf(limited, snapshot), states: await read(limited) })
  return readings
}

function labelsOf({ id, subject }: RateLimit | Budget, snapshot: Snapshot): Labels {
  return { id, subject: subject.kind.toLowerCase(), name: nameOf(subject, snapshot) }
}

/** Empty: the whole installation, or what has just been deleted. */
function nameOf(subject: LimitSubject, snapshot: Snapshot): string {
  switch (subject.kind) {
    case 'INSTALLATION':
      return ''
    case 'USER':
      return snapshot.users.get(subject.id)?.name ?? ''
    case 'API_KEY':
      return snapshot.apiKeysById.get(subject.id)?.name ?? ''
    case 'ROUTE':
      return snapshot.routesById.get(subject.id)?.name ?? ''
    case 'PROVIDER':
      return snapshot.providers.get(subject.id)?.name ?? ''
    case 'PROVIDER_MODEL':
    case 'DEPLOYMENT':
      return snapshot.backends.get(subject.id)?.label ?? ''
  }
}

function samplesOf<State>(
  readings: readonly Reading<State>[],
  valueOf: (states: readonly State[]) => number | null,
): Sample[] {
  return readings.flatMap(({ labels, states }) => {
    const value = valueOf(states)
    return value === null ? [] : [{ labels, value }]
  })
}

/** Null: nothing was used lately, or it is not bounded. */
function leastOf(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null)
  return known.length === 0 ? null : Math.min(...known)
}

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0)
}

/** A sample is a double. */
function usdOf(decimal: string | undefined): number | null {
  return decimal === undefined ? null : Number(decimal)
}
