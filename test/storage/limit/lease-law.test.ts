/** The law of rate limits: over any interval of t all gateways together use at most `burst + rate × t`, whatever becomes of them. */
import * as fc from 'fast-check'
import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { leaseMs, type LeaseRequest } from '../../../src/routing/limits/lease.ts'
import { RateBucket } from '../../../src/routing/limits/rate-bucket.ts'
import type { RateLimit } from '../../../src/routing/limits/limit.ts'
import { leaseLimits } from '../../../src/storage/limit/lease.ts'
import type { Db } from '../../../src/storage/database/db.ts'
import { openTestDatabase } from '../../support/database.ts'

const steps = [
  {
    weight: 10,
    arbitrary: fc.record({
      kind: fc.constant('use' as const),
      gateway: fc.nat(3),
      times: fc.integer({ min: 1, max: 12 }),
    }),
  },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('turn' as const), gateway: fc.nat(3), isLost: fc.boolean() }) },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 4_000 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('kill' as const), gateway: fc.nat(3) }) },
]
/** Gateways find out one after the other that the database is there again, each within a second. */
const outage = {
  weight: 8,
  arbitrary: fc.record({
    kind: fc.constant('outage' as const),
    isEnd: fc.boolean(),
    noticeAfterMs: fc.array(fc.integer({ min: 0, max: 1_000 }), { minLength: 4, maxLength: 4 }),
  }),
}
/** Whoever can uses all that there is: at the edges of an outage it is most. */
const rush = {
  weight: 8,
  arbitrary: fc.record({
    kind: fc.constant('rush' as const),
    first: fc.nat(3),
    restMs: fc.constantFrom(0, 50, 12_000),
  }),
}
type Step =
  | { readonly kind: 'rush'; readonly first: number; readonly restMs: number }
  | { readonly kind: 'use'; readonly gateway: number; readonly times: number }
  | { readonly kind: 'turn'; readonly gateway: number; readonly isLost: boolean }
  | { readonly kind: 'pass'; readonly ms: number }
  | { readonly kind: 'kill'; readonly gateway: number }
  | { readonly kind: 'outage'; readonly isEnd: boolean; readonly noticeAfterMs: readonly number[] }

interface Life {
  readonly id: string
  readonly bucket: RateBucket
  /** It has noticed that the database is away. */
  isAlone: boolean
  /** It was alone in the last outage, and has found the database again. */
  isBack: boolean
  /** When it finds the database again. */
  noticeAtMs: number
}

/** Gateways in a time that passes only when the test says so. */
class World {
  readonly admitted: { readonly atMs: number; readonly count: number }[] = []
  readonly #db: Db
  readonly #limit: RateLimit
  #nowMs = 1_000_000
  #lives = 0
  #isAway = false
  readonly gateways: Life[]

  constructor(db: Db, limit: RateLimit, gateways = 4) {
    this.#db = db
    this.#limit = limit
    this.gateways = Array.from({ length: gateways }, () => this.#begin())
  }

  #begin(): Life {
    const id = `gateway-${this.#limit.id}-${this.#lives++}`
    return { id, bucket: new RateBucket(this.#limit, ''), isAlone: false, isBack: false, noticeAtMs: Infinity }
  }

  /** The gateways are known to the database, as they are by their heartbeats. */
  async register(): Promise<void> {
    const seenAt = new Date(this.#nowMs)
    for (const { id } of this.gateways)
      await sql`insert into gateway (id, applied_version, applied_at, started_at, seen_at, build)
        values (${id}, 1, ${seenAt}, ${seenAt}, ${seenAt}, 'test')
        on conflict (id) do update set seen_at = excluded.seen_at`.execute(this.#db)
  }

  loseDatabase(): void {
    this.#isAway = true
    for (const gateway of this.gateways) Object.assign(gateway, { noticeAtMs: Infinity, isBack: false })
  }

  /** Who was alone finds it after so long. */
  findDatabase(noticeAfterMs: readonly number[]): void {
    this.#isAway = false
    this.gateways.forEach((gateway, i) => (gateway.noticeAtMs = this.#nowMs + noticeAfterMs[i]!))
  }

  async pass(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms
    const back = this.gateways
      .map((gateway, i) => ({ gateway, i }))
      .filter(({ gateway }) => gateway.isAlone && gateway.noticeAtMs <= endMs)
    for (const { gateway, i } of back.sort((a, b) => a.gateway.noticeAtMs - b.gateway.noticeAtMs)) {
      this.#nowMs = Math.max(this.#nowMs, gateway.noticeAtMs)
      gateway.bucket.comeBack(this.#nowMs)
      gateway.isAlone = false
      gateway.isBack = true
      await this.turn(i, false)
    }
    this.#nowMs = endMs
  }

  /** It is gone at once, and another one begins in its place. */
  async kill(gateway: number): Promise<void> {
    const { noticeAtMs } = this.gateways[gateway]!
    this.gateways[gateway] = { ...this.#begin(), noticeAtMs }
    if (!this.#isAway) await this.register()
  }

  async rush({ first, restMs }: { readonly first: number; readonly restMs: number }): Promise<void> {
    await this.pass(restMs)
    for (let i = 0; i < this.gateways.length; i++) await this.use((first + i) % this.gateways.length, 50)
  }

  async use(gateway: number, times: number): Promise<void> {
    for (let i = 0; i < times; i++) {
      const { bucket } = this.gateways[gateway]!
      let judgement = bucket.judge(noTokens, this.#nowMs)
      if (judgement === 'ASK') {
        bucket.wait(noTokens, 1)
        await this.turn(gateway, false)
        bucket.wait(noTokens, -1)
        judgement = bucket.judge(noTokens, this.#nowMs)
      }
      if (judgement !== 'ROOM') return
      bucket.take(noTokens, this.#nowMs)
      bucket.settle(0, 0)
      this.admitted.push({ atMs: this.#nowMs, count: 1 })
    }
  }

  /** It had no request during the outage. Nobody knows of one but those that were alone: it comes behind them, as they are back within a second. */
  #isUnaware({ isBack }: Life): boolean {
    return !this.#isAway && !isBack && this.gateways.some(({ isAlone }) => isAlone)
  }

  /** `isLost`: the answer does not come back. */
  async turn(gateway: number, isLost: boolean): Promise<void> {
    const life = this.gateways[gateway]!
    const { id, bucket, isAlone } = life
    if (isAlone || this.#isUnaware(life)) return
    const turns = bucket.turn(this.gateways.length, this.#nowMs)
    const asks: readonly LeaseRequest[] = turns.map(({ ask }) => ask)
    if (this.#isAway) {
      turns.forEach((turn) => turn.unanswered(this.#nowMs))
      bucket.goOn(this.gateways.length, this.#nowMs)
      life.isAlone = true
      return
    }
    const answers = await leaseLimits(this.#db, id, asks, leaseMs, new Date(this.#nowMs))
    turns.forEach((turn, i) => (isLost ? turn.unanswered(this.#nowMs) : turn.answer(answers[i]!, this.#nowMs)))
  }
}

const noTokens = { tokens: 0 }

function rateLimit(rest: Partial<RateLimit>): RateLimit {
  return {
    id: 'lim_test',
    subject: { kind: 'INSTALLATION' },
    per: [],
    requestsPerMinute: null,
    tokensPerMinute: null,
    inFlight: null,
    burst: null,
    enforcement: 'ENFORCE',
    ...rest,
  }
}

/** The worst interval: how much more was used in it than `burst + rate × t`. */
function mostBeyond(admitted: World['admitted'], perMinute: number, burst: number): number {
  let most = -Infinity
  for (let from = 0; from < admitted.length; from++) {
    let sum = 0
    for (let to = from; to < admitted.length; to++) {
      sum += admitted[to]!.count
      const t = admitted[to]!.atMs - admitted[from]!.atMs
      most = Math.max(most, sum - burst - (perMinute / 60_000) * t)
    }
  }
  return most
}

async function live(world: World, steps: readonly Step[]): Promise<void> {
  await world.register()
  for (const it of steps) {
    if (it.kind === 'pass') await world.pass(it.ms)
    else if (it.kind === 'kill') await world.kill(it.gateway)
    else if (it.kind === 'turn') await world.turn(it.gateway, it.isLost)
    else if (it.kind === 'use') await world.use(it.gateway, it.times)
    else if (it.kind === 'rush') await world.rush(it)
    else if (it.isEnd) world.findDatabase(it.noticeAfterMs)
    else world.loseDatabase()
  }
}

test.each([
  ['whichever gateways are killed and whichever answers are lost', fc.oneof(...steps), 1],
  [
    'also while the database is away, and when gateways find it again one after the other',
    fc.oneof(...steps, outage, rush),
    4,
  ],
])('over any interval no more than burst + rate × t is used, %s', async (_, step, leastBurst) => {
  await using database = await openTestDatabase()
  let run = 0
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 5, maxLength: 60 }),
      fc.integer({ min: 6, max: 6_000 }),
      fc.integer({ min: leastBurst, max: 40 }),
      async (taken, requestsPerMinute, burst) => {
        const world = new World(database.db, rateLimit({ id: `lim_${leastBurst}_${run++}`, requestsPerMinute, burst }))
        await live(world, taken)
        await sql`delete from gateway`.execute(database.db)
        expect(mostBeyond(world.admitted, requestsPerMinute, burst)).toBeLessThanOrEqual(1e-6)
      },
    ),
    { numRuns: Number(process.env.LEASE_LAW_RUNS ?? 60) },
  )
})

test('what a gateway uses while the database is away does not come back with it', async () => {
  await using database = await openTestDatabase()
  const world = new World(database.db, rateLimit({ requestsPerMinute: 600, burst: 20 }), 1)
  await world.use(0, 20)
  world.loseDatabase()
  for (let i = 0; i < 50; i++) {
    await world.pass(100)
    await world.use(0, 5)
  }
  expect(world.admitted.length).toBeGreaterThanOrEqual(69)
  world.findDatabase([0])
  await world.pass(0)
  await world.use(0, 30)
  expect(mostBeyond(world.admitted, 600, 20)).toBeLessThanOrEqual(1e-6)
  await world.pass(2_000)
  await world.use(0, 30)
  expect(mostBeyond(world.admitted, 600, 20)).toBeLessThanOrEqual(1e-6)
  expect(world.admitted.length).toBeGreaterThanOrEqual(88)
})

test('the first gateway that finds the database again gets nothing of what the others may have used meanwhile', async () => {
  await using database = await openTestDatabase()
  const world = new World(database.db, rateLimit({ requestsPerMinute: 600, burst: 20 }))
  await world.register()
  for (let i = 0; i < 4; i++) await world.use(i, 1)
  world.loseDatabase()
  await world.pass(10_000)
  for (let i = 0; i < 4; i++) await world.use(i, 1)
  await world.pass(10_000)
  for (let i = 0; i < 4; i++) await world.use(i, 20)
  expect(world.admitted.length).toBeGreaterThanOrEqual(20)
  world.findDatabase([0, 400, 800, 5_000_000])
  // The last one was killed: its share counts as held for one lease.
  for (let i = 0; i < 60; i++) {
    await world.use(i % 3, 20)
    await world.pass(100)
  }
  expect(mostBeyond(world.admitted, 600, 20)).toBeLessThanOrEqual(1e-6)
  const before = world.admitted.length
  for (let i = 0; i < 60; i++) {
    await world.use(i % 3, 20)
    await world.pass(100)
  }
  expect(world.admitted.length - before).toBeGreaterThanOrEqual(0.97 * 60)
  expect(mostBeyond(world.admitted, 600, 20)).toBeLessThanOrEqual(1e-6)
})

test('one gateway alone uses the whole burst, then all of the rate', async () => {
  await using database = await openTestDatabase()
  const world = new World(database.db, rateLimit({ requestsPerMinute: 600, burst: 20 }))
  for (let i = 0; i < 100; i++) {
    await world.use(0, 30)
    await world.pass(100)
  }
  expect(world.admitted.length).toBeGreaterThanOrEqual(Math.floor((20 + 10 * 9.9) * 0.97))
})

test('what one gateway does not need the one that needs it gets, in uneven overload', async () => {
  await using database = await openTestDatabase()
  const world = new World(database.db, rateLimit({ requestsPerMinute: 6_000 }))
  for (let i = 0; i < 100; i++) {
    await world.use(0, 20)
    if (i % 7 === 0) await world.use(1, 1)
    if (i % 20 === 3) await world.use(2, 4)
    await world.pass(50)
  }
  const allowed = 600 + 100 * 4.95
  expect(world.admitted.length).toBeGreaterThanOrEqual(0.97 * allowed)
  expect(world.admitted.length).toBeLessThanOrEqual(allowed)
})

test('places at the same time are never more than the limit, and those of a dead gateway come back when its lease ends', async () => {
  await using database = await openTestDatabase()
  const limit = rateLimit({ inFlight: 3 })
  const at = (ms: number) => new Date(1_000_000 + ms)
  const first = new RateBucket(limit, '')
  const second = new RateBucket(limit, '')
  const turn = async (bucket: RateBucket, id: string, ms: number) => {
    const turns = bucket.turn(2, 1_000_000 + ms)
    const answers = await leaseLimits(
      database.db,
      id,
      turns.map(({ ask }) => ask),
      leaseMs,
      at(ms),
    )
    turns.forEach(({ answer }, i) => answer(answers[i]!, 1_000_000 + ms))
  }
  for (let i = 0; i < 3; i++) first.wait(noTokens, 1)
  await turn(first, 'gateway-1', 0)
  for (let i = 0; i < 3; i++) first.take(noTokens, 1_000_000)
  second.wait(noTokens, 1)
  await turn(second, 'gateway-2', 10)
  expect(second.judge(noTokens, 1_000_010)).toMatchObject({ unit: 'IN_FLIGHT' })
  await turn(second, 'gateway-2', leaseMs + 1)
  expect(second.judge(noTokens, 1_000_000 + leaseMs + 1)).toBe('ROOM')
})

test('tokens that were used beyond the reservation are owed: the bucket is waited for until it is above zero', async () => {
  await using database = await openTestDatabase()
  const limit = rateLimit({ tokensPerMinute: 60_000, burst: 1_000 })
  const bucket = new RateBucket(limit, '')
  const demand = { tokens: 800 }
  let nowMs = 1_000_000
  const turn = async () => {
    const turns = bucket.turn(1, nowMs)
    const answers = await leaseLimits(
      database.db,
      'gateway-1',
      turns.map(({ ask }) => ask),
      leaseMs,
      new Date(nowMs),
    )
    turns.forEach(({ answer }, i) => answer(answers[i]!, nowMs))
  }
  bucket.wait(demand, 1)
  await turn()
  bucket.wait(demand, -1)
  const taken = bucket.take(demand, nowMs)
  expect(taken).toBe(800)
  bucket.settle(taken, 3_800)
  await turn()
  expect(bucket.judge(demand, nowMs)).toMatchObject({ unit: 'TOKENS', retryAfterMs: 3_600 })
  nowMs += 3_601
  expect(bucket.judge(demand, nowMs)).toBe('ASK')
  bucket.wait(demand, 1)
  await turn()
  expect(bucket.judge(demand, nowMs)).toBe('ROOM')
})
