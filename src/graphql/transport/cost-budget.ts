/** A token bucket per key, which bounds the cost of its operations: a script in a loop must not slow down other callers. */
export interface CostBudget {
  /** Takes the cost of an operation. Returns null if it may run, else the milliseconds after which the bucket holds enough. */
  take(apiKeyId: string, cost: number): number | null
}

/** The least cost of an operation: every request costs some work. */
const leastCost = 10
/** Most buckets that are kept. The key of a dropped bucket begins again with a full one. */
const maxKeys = 10_000

/** The tolerance for rounding in a bucket: without it a client that retries exactly after the stated time could be refused. */
const roundingError = 1e-6

interface Bucket {
  left: number
  atMs: number
}

/** Creates buckets that hold the cost of one minute and begin full. `nowMs` is a monotonic clock. `costPerMinute` 0 means no limit. */
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
      // An operation may cost more than a bucket holds: then a full bucket is enough.
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
  // A map keeps the order of insertion: its first key is the oldest.
  if (buckets.size >= maxKeys) buckets.delete(buckets.keys().next().value!)
  const bucket = { left, atMs }
  buckets.set(apiKeyId, bucket)
  return bucket
}
