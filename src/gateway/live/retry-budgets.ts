import {
  createRetryBudget,
  hasRepeat,
  recordRequest,
  takeRepeat,
  type RetryBudget,
} from '../../routing/choose/retry-budget.ts'

/** The retry budgets of all routes, by id. */
export class RetryBudgets {
  readonly #byRoute = new Map<string, RetryBudget>()
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  get size(): number {
    return this.#byRoute.size
  }

  /** Counts a request of a route: once. */
  record(routeId: string): void {
    recordRequest(this.#of(routeId), this.#now())
  }

  has(routeId: string): boolean {
    return hasRepeat(this.#of(routeId), this.#now())
  }

  /** Takes one repeat of the route's budget; false if there is none left. */
  take(routeId: string): boolean {
    return takeRepeat(this.#of(routeId), this.#now())
  }

  retain(isKept: (routeId: string) => boolean): void {
    for (const id of this.#byRoute.keys()) if (!isKept(id)) this.#byRoute.delete(id)
  }

  #of(routeId: string): RetryBudget {
    let budget = this.#byRoute.get(routeId)
    if (!budget) {
      budget = createRetryBudget()
      this.#byRoute.set(routeId, budget)
    }
    return budget
  }
}
