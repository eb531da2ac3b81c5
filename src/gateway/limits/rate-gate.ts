import type { Caller } from '../../routing/access/authorise.ts'
import type { LeaseAnswer, LeaseRequest } from '../../routing/limits/lease.ts'
import type { RateLimit } from '../../routing/limits/limit.ts'
import { bucketKey, forEachOfBackend, forEachOfCaller } from '../../routing/limits/match-limits.ts'
import { RateBucket, type RateDemand, type RateShortage } from '../../routing/limits/rate-bucket.ts'
import type { Backend, Route, Snapshot } from '../../routing/config/snapshot.ts'
import { monotonicMs } from '../loop/monotonic.ts'
import { LeaseRounds, type LeaseRoundsOptions } from './lease-rounds.ts'
import { RateHold } from './rate-hold.ts'

/** Then the gateway goes on by its share. */
const patienceMs = 500
const mostRounds = 4

export type Entry = RateHold | RateShortage

/** The rate limits of a gateway: which of them bind a request, and whether all of them have room for it. */
export class RateGate implements Disposable {
  readonly #turns: LeaseRounds<LeaseRequest, LeaseAnswer>
  /** By the limit's id, then by the part of it. */
  readonly #buckets = new Map<string, Map<string, RateBucket>>()

  constructor(options: Omit<LeaseRoundsOptions<LeaseRequest, LeaseAnswer>, 'forget' | 'patienceMs' | 'mostRounds'>) {
    this.#turns = new LeaseRounds({
      ...options,
      patienceMs,
      mostRounds,
      forget: (bucket) => this.#forget(bucket as RateBucket),
    })
  }

  /** Those of the installation, the caller and the route; null: nothing binds the request. */
  ofCaller({ limits }: Snapshot, caller: Caller, route: Route): RateBucket[] | null {
    if (limits.rateLimits.size === 0) return null
    let buckets: RateBucket[] | null = null
    forEachOfCaller(limits.rateLimitsBySubject, caller, route, (limit) => {
      buckets ??= []
      buckets.push(this.#bucketOf(limit, bucketKey(limit.per, caller, route)))
    })
    return buckets
  }

  /** Those of a backend; null: it has none. */
  ofBackend({ limits }: Snapshot, backend: Backend, caller: Caller, route: Route): RateBucket[] | null {
    if (limits.rateLimits.size === 0) return null
    let buckets: RateBucket[] | null = null
    forEachOfBackend(limits.rateLimitsBySubject, backend, (limit) => {
      buckets ??= []
      buckets.push(this.#bucketOf(limit, bucketKey(limit.per, caller, route)))
    })
    return buckets
  }

  /** What keeps a request out, as far as it is known without asking; null: nothing. */
  shortageIn(buckets: readonly RateBucket[], demand: RateDemand): RateShortage | null {
    const judgement = judge(buckets, demand, monotonicMs())
    return typeof judgement === 'string' ? null : judgement
  }

  /** Of a backend's limits that all requests share, until there is room, in milliseconds; null: nothing is known to be full. */
  sharedShortage({ limits }: Snapshot, backend: Backend, demand: RateDemand): number | null {
    const buckets: RateBucket[] = []
    forEachOfBackend(limits.rateLimitsBySubject, backend, ({ id }) => {
      const bucket = this.#buckets.get(id)?.get('')
      if (bucket) buckets.push(bucket)
    })
    return this.shortageIn(buckets, demand)?.retryAfterMs ?? null
  }

  /** Takes from all of them, or from none. A promise: the database has to be asked. */
  enter(buckets: readonly RateBucket[], demand: RateDemand): Entry | Promise<Entry> {
    const judgement = judge(buckets, demand, monotonicMs())
    if (judgement === 'ROOM') return this.#take(buckets, demand)
    if (judgement !== 'ASK') return this.#refuse(judgement)
    return this.#wait(buckets, demand)
  }

  /** It has something to tell. */
  touch(bucket: RateBucket): void {
    this.#turns.touch(bucket)
  }

  [Symbol.dispose](): void {
    this.#turns[Symbol.dispose]()
  }

  #bucketOf(limit: RateLimit, key: string): RateBucket {
    const bucket = this.#buckets.get(limit.id)?.get(key)
    if (!bucket) return this.#addBucket(limit, key)
    if (bucket.limit !== limit) bucket.follow(limit)
    return bucket
  }

  #addBucket(limit: RateLimit, key: string): RateBucket {
    const bucket = new RateBucket(limit, key)
    const parts = this.#buckets.get(limit.id)
    if (parts) parts.set(key, bucket)
    else this.#buckets.set(limit.id, new Map([[key, bucket]]))
    this.#turns.add(bucket)
    return bucket
  }

  #forget({ limit, key }: RateBucket): void {
    const parts = this.#buckets.get(limit.id)
    parts?.delete(key)
    if (parts?.size === 0) this.#buckets.delete(limit.id)
  }

  #take(buckets: readonly RateBucket[], demand: RateDemand): RateHold {
    const nowMs = monotonicMs()
    const taken = buckets.map((bucket) => {
      const tokens = bucket.isEnforced ? bucket.take(demand, nowMs) : bucket.observe(demand, nowMs)
      this.#turns.touch(bucket)
      return tokens
    })
    return new RateHold(this, buckets, taken)
  }

  #refuse(shortage: RateShortage): RateShortage {
    shortage.bucket.refused++
    this.#turns.touch(shortage.bucket)
    return shortage
  }

  #wait(buckets: readonly RateBucket[], demand: RateDemand): Promise<Entry> {
    const { promise, resolve } = Promise.withResolvers<Entry>()
    const enforced = buckets.filter(({ isEnforced }) => isEnforced)
    for (const bucket of enforced) bucket.wait(demand, 1)
    this.#turns.wait(enforced, (isLast) => {
      const entry = this.#decide(buckets, demand, isLast)
      if (entry === null) return false
      for (const bucket of enforced) bucket.wait(demand, -1)
      resolve(entry)
      return true
    })
    return promise
  }

  /** Null: the database has to be asked once more. */
  #decide(buckets: readonly RateBucket[], demand: RateDemand, isLast: boolean): Entry | null {
    const nowMs = monotonicMs()
    const judgement = judge(buckets, demand, nowMs)
    if (judgement === 'ROOM') return this.#take(buckets, demand)
    if (judgement !== 'ASK') return this.#refuse(judgement)
    if (!isLast) return null
    for (const bucket of buckets) {
      const shortage = bucket.isEnforced ? bucket.shortage(demand, nowMs) : null
      if (shortage) return this.#refuse(shortage)
    }
    return null
  }
}

/** `ROOM`: all can take the request. `ASK`: only the database knows. Else the narrowest. */
function judge(buckets: readonly RateBucket[], demand: RateDemand, nowMs: number): 'ROOM' | 'ASK' | RateShortage {
  let asks = false
  let narrowest: RateShortage | null = null
  for (const bucket of buckets) {
    if (!bucket.isEnforced) continue
    const judgement = bucket.judge(demand, nowMs)
    if (judgement === 'ASK') asks = true
    else if (judgement !== 'ROOM' && judgement.retryAfterMs > (narrowest?.retryAfterMs ?? 0)) narrowest = judgement
  }
  return narrowest ?? (asks ? 'ASK' : 'ROOM')
}
