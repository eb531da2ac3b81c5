/** What each key may cost: a token bucket, so that a script in a loop is stopped before it hurts others. */
export interface CostBudget {
  /** Takes the cost of an operation. Returns null if it may run, or after how many milliseconds there is enough for it. */
  take(apiKeyId: string, cost: number): number | null
}

/** What the cheapest operation takes: a request costs something, whatever it asks for. */
const leastCost = 10
/** Keys that are remembered. One that is forgotten begins with a full bucket. */
const maxKeys = 10_000

/** Of the sums in a bucket: without it, who comes at the instant that it was told could come too early. */
const roundingError = 1e-6

interface Bucket {
  left: number
  atMs: number
}

/** Buckets of a minute's cost that are full at first. `nowMs` is a clock that never goes back. Zero: no limit. */
export function createCostBudget(costPerMinute: number, nowMs: () => number): CostBudget {
  const buckets = new Map<string, Bucket>()
  const perMs = costPerMinute / 60_000
  return {
    take(apiKeyId, cost) {
      if (costPerMinute === 0) return null
      const now = nowMs()
      const bucket = bucketOf(buckets, apiKeyId, costPerMinute, now)
      bucket.left = Math.min(costPerMinute, bucket.left + (now - bucket.atMs) * perMs)
      bucket.atMs = now
      // One operation may cost more than a bucket holds: a full one is enough for it.
      const wanted = Math.min(Math.max(cost, leastCost), costPerMinute)
      if (bucket.left < wanted - roundingError) return Math.ceil((wanted - bucket.left) / perMs)
      bucket.left = Math.max(0, bucket.left - wanted)
      return null
    },
  }
}

function bucketOf(buckets: Map<string, Bucket>, apiKeyId: string, left: number, atMs: number): Bucket {
  const known = buckets.get(apiKeyId)
  if (known) return known
  // Maps keep the order in which keys came: the first one is the oldest.
  if (buckets.size >= maxKeys) buckets.delete(buckets.keys().next().value!)
  const bucket = { left, atMs }
  buckets.set(apiKeyId, bucket)
  return bucket
}
