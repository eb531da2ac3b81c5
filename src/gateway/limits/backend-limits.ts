import type { BackendLimit } from '../../routing/choose/live-view.ts'
import type { Backend, Snapshot } from '../../routing/config/snapshot.ts'
import type { BudgetGate } from './budget-gate.ts'
import type { RateGate } from './rate-gate.ts'

/** What a request needs at least. */
const least = { tokens: 1 }

/** The limits and budgets of backends that are the same for all requests: what an operator sees of them. */
export class BackendLimits {
  readonly #snapshot: () => Snapshot
  readonly #gates: { readonly rates: RateGate | null; readonly budgets: BudgetGate | null }

  constructor(
    snapshot: () => Snapshot,
    gates: { readonly rates: RateGate | null; readonly budgets: BudgetGate | null },
  ) {
    this.#snapshot = snapshot
    this.#gates = gates
  }

  limitOf(backend: Backend): BackendLimit | null {
    const { limits } = this.#snapshot()
    if (limits.rateLimits.size === 0 && limits.budgets.size === 0) return null
    const { rates, budgets } = this.#gates
    const retryAfterMs = rates?.sharedShortage(this.#snapshot(), backend, least) ?? null
    if (retryAfterMs !== null) return { reason: 'RATE_LIMITED', retryAfterMs }
    const untilMs = budgets?.sharedExhaustion(this.#snapshot(), backend) ?? null
    return untilMs === null ? null : { reason: 'BUDGET_EXHAUSTED', retryAfterMs: untilMs }
  }
}
