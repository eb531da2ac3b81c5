/**
 * Bounds the repeats of a route: 20 % of its requests of the last 10 s, plus 3 per second. Repeats at other targets multiply the load
 * when upstreams fail. The step to the fallback needs no budget.
 */
const windowSeconds = 10
const shareOfRequests = 0.2
const repeatsPerSecond = 3

/** Counters for each second of the window, by second modulo the window. They are changed in place, because every request updates them. */
export interface RetryBudget {
  readonly requests: Uint32Array
  /** Repeats taken from the share of requests (`shared`), and from the allowance of 3 per second (`allowed`). */
  readonly shared: Uint32Array
  readonly allowed: Uint32Array
  /** The current second; it never goes back, even if the clock does. */
  second: number
  /** The clock's second at the last call. */
  clock: number
}

export function createRetryBudget(): RetryBudget {
  return {
    requests: new Uint32Array(windowSeconds),
    shared: new Uint32Array(windowSeconds),
    allowed: new Uint32Array(windowSeconds),
    second: 0,
    clock: 0,
  }
}

/** Counts a request of the route: once, not per attempt. */
export function recordRequest(budget: RetryBudget, nowMs: number): void {
  const slot = slotOf(budget, nowMs)
  budget.requests[slot]!++
}

export function hasRepeat(budget: RetryBudget, nowMs: number): boolean {
  const slot = slotOf(budget, nowMs)
  return budget.allowed[slot]! < repeatsPerSecond || hasShare(budget)
}

/** Takes one repeat; false, and nothing taken, if there is none left. */
export function takeRepeat(budget: RetryBudget, nowMs: number): boolean {
  const slot = slotOf(budget, nowMs)
  if (hasShare(budget)) budget.shared[slot]!++
  else if (budget.allowed[slot]! < repeatsPerSecond) budget.allowed[slot]!++
  else return false
  return true
}

function hasShare(budget: RetryBudget): boolean {
  return sum(budget.shared) + 1 <= sum(budget.requests) * shareOfRequests
}

/** Clears the seconds that have passed. A clock that was set back counts as one that advanced by one second. */
function slotOf(budget: RetryBudget, nowMs: number): number {
  const now = Math.floor(nowMs / 1000)
  const passed = now < budget.clock ? 1 : Math.min(now - budget.clock, windowSeconds)
  budget.clock = now
  for (let i = 0; i < passed; i++) {
    budget.second++
    clear(budget, budget.second % windowSeconds)
  }
  return budget.second % windowSeconds
}

function clear(budget: RetryBudget, slot: number): void {
  budget.requests[slot] = 0
  budget.shared[slot] = 0
  budget.allowed[slot] = 0
}

function sum(counts: Uint32Array): number {
  let total = 0
  for (const count of counts) total += count
  return total
}
