/** Who depends on a backend: how bad it is when it does not serve. */
import { backendAvailability } from '../choose/availability.ts'
import type { LiveView } from '../choose/live-view.ts'
import type { Backend, Route, Snapshot } from '../config/snapshot.ts'
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
 * What is well, without the moments in which a trial is due: otherwise a problem would be over and begin again with each trial
 * that nobody makes.
 */
export function steadyView({ live, failing }: Pick<ProblemFacts, 'live' | 'failing'>): LiveView {
  return {
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

/** The questions that several problems ask about backends. */
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

  /** How bad it is that a backend serves nothing. */
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

  #hasOther({ targets, fallback }: Route, backendId: string): boolean {
    const others = targets.filter(({ weight }) => weight > 0).map((target) => target.backendId)
    return [...others, ...(fallback?.backendIds ?? [])].some((id) => id !== backendId && this.serves(id))
  }
}
