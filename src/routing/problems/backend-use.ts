/** Which routes depend on a backend, and how severe it is when it does not serve. */
import { backendAvailability } from '../choose/availability.ts'
import type { BackendLimit, LiveView } from '../choose/live-view.ts'
import type { Backend, ProviderUpstream, Route, Snapshot } from '../config/snapshot.ts'
import type { ProblemSeverity } from './operational-problem.ts'
import type { ProblemFacts } from './problem-facts.ts'

export interface BackendUse {
  /** Active routes that send it a share of their requests. */
  readonly targetedBy: Route[]
  /** Active routes that fall back to it. */
  readonly fallbackOf: Route[]
}

const unused: BackendUse = { targetedBy: [], fallbackOf: [] }

/** By backend id. */
export function usesOf(snapshot: Snapshot): ReadonlyMap<string, BackendUse> {
  const uses = new Map<string, BackendUse>()
  const useOf = (id: string) => {
    const known = uses.get(id) ?? { targetedBy: [], fallbackOf: [] }
    uses.set(id, known)
    return known
  }
  for (const route of snapshot.routesById.values()) {
    if (route.state !== 'ACTIVE') continue
    for (const { backendId, weight } of route.targets) if (weight > 0) useOf(backendId).targetedBy.push(route)
    for (const backendId of route.fallback?.backendIds ?? []) useOf(backendId).fallbackOf.push(route)
  }
  return uses
}

/**
 * A live view in which an ejected backend stays unhealthy while a trial is due. Otherwise a problem would end and begin again with each
 * due trial.
 */
export function steadyView(facts: Pick<ProblemFacts, 'live' | 'failing' | 'snapshot' | 'exhaustedBudgets'>): LiveView {
  const { live, failing } = facts
  const unpaid = unpaidSubjects(facts)
  return {
    limitOf: (backend) => (isUnpaid(backend, unpaid) ? outOfBudget : null),
    isHealthy: (id) => !failing.get(id)?.isEjected && live.isHealthy(id),
    hasCapacity: (id, maxInFlight) => live.hasCapacity(id, maxInFlight),
    isOperationRefused: (id, operation) => live.isOperationRefused(id, operation),
    inFlight: (id) => live.inFlight(id),
    inFlightEverywhere: (id) => live.inFlightEverywhere(id),
    waiting: (id) => live.waiting(id),
    retryAtMs: (id) => live.retryAtMs(id),
    ejectedAtMs: (id) => live.ejectedAtMs(id),
  }
}

const outOfBudget: BackendLimit = { reason: 'BUDGET_EXHAUSTED', retryAfterMs: Infinity }

/** The ids of providers and backends whose budget is exhausted, so that they take no requests. */
function unpaidSubjects({ snapshot, exhaustedBudgets }: Pick<ProblemFacts, 'snapshot' | 'exhaustedBudgets'>) {
  const ids = new Set<string>()
  for (const { budgetId, bucket, isSpent } of exhaustedBudgets) {
    const budget = snapshot.limits.budgets.get(budgetId)
    if (!budget || !isSpent || bucket !== '' || budget.onExhausted === 'NOTIFY') continue
    if (budget.subject.kind !== 'INSTALLATION') ids.add(budget.subject.id)
  }
  return ids
}

function isUnpaid(backend: Backend, unpaid: ReadonlySet<string>): boolean {
  if (unpaid.size === 0) return false
  return unpaid.has(backend.id) || (backend.kind === 'providerModel' && unpaid.has(backend.provider.id))
}

/** Facts about backends that several problems need. */
export class BackendUses {
  readonly view: LiveView
  readonly #snapshot: Snapshot
  readonly #uses: ReadonlyMap<string, BackendUse>

  constructor(facts: ProblemFacts) {
    this.view = steadyView(facts)
    this.#snapshot = facts.snapshot
    this.#uses = usesOf(facts.snapshot)
  }

  of(backendId: string): BackendUse {
    return this.#uses.get(backendId) ?? unused
  }

  isUsed(backendId: string): boolean {
    return this.#uses.has(backendId)
  }

  /** The severity if a backend does not serve. */
  severityWithout(backendId: string): ProblemSeverity {
    const { targetedBy } = this.of(backendId)
    if (targetedBy.length === 0) return 'NOTICE'
    return targetedBy.every((route) => this.#hasOther(route, backendId)) ? 'WARNING' : 'CRITICAL'
  }

  /** Whether the backend could take a request of the route. */
  serves(backendId: string): boolean {
    return backendAvailability(this.backend(backendId), this.view, null) === 'AVAILABLE'
  }

  backend(backendId: string): Backend | undefined {
    return this.#snapshot.backends.get(backendId)
  }

  /** The severity if a provider does not serve: the worst severity of its models. */
  severityWithoutProvider({ modelIds }: ProviderUpstream): ProblemSeverity {
    const severities = modelIds.map((id) => this.severityWithout(id))
    return severities.find((it) => it === 'CRITICAL') ?? severities.find((it) => it === 'WARNING') ?? 'NOTICE'
  }

  #hasOther({ targets, fallback }: Route, backendId: string): boolean {
    const others = targets.filter(({ weight }) => weight > 0).map((target) => target.backendId)
    return [...others, ...(fallback?.backendIds ?? [])].some((id) => id !== backendId && this.serves(id))
  }
}
