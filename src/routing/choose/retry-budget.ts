/**
 * How many repeats a route may make: 20 % of its requests of the last 10 s, plus 3 per second. Repeats at
 * other targets multiply the load just when upstreams fail; the step to the fallback needs no budget.
 */
const windowSeconds = 10
const shareOfRequests = 0.2
const repeatsPerSecond = 3

/** Counted per second, by second modulo the window. Changed in place: it is on the way of every request. */
export interface RetryBudget {
  readonly requests: Uint32Array
  /** Repeats that were taken from the share of requests, and from the allowance of the second. */
  readonly shared: Uint32Array
  readonly allowed: Uint32Array
  /** Counts on whatever happens to the clock. */
  second: number
  /** The second in which it was last asked. */
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

/** Clears the seconds that went by. A clock that was put back is taken for one that went on by a second, from where it is now. */
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
