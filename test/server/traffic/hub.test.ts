import { sql } from 'kysely'
import { describe, expect, test } from 'vitest'
import { createTrafficCounters, type TrafficCounters } from '../../../src/gateway/traffic/traffic-counters.ts'
import type { RouteConfiguration } from '../../../src/routing/config/configuration.ts'
import type { RouteTrafficReport } from '../../../src/routing/traffic/window.ts'
import type { Snapshot } from '../../../src/routing/config/snapshot.ts'
import { createSnapshotStore, type SnapshotStore } from '../../../src/server/following/snapshot-store.ts'
import { openTrafficHub, type TrafficHub } from '../../../src/server/traffic/hub.ts'
import { type Database, openDatabase } from '../../../src/storage/database/database.ts'
import { deleteOldTraffic, upsertTraffic } from '../../../src/storage/traffic/write.ts'
import { openTestDatabase } from '../../support/database.ts'
import { deployment, fallback, route, snapshotOf } from '../../support/scenario.ts'
import { endOf, fallbackPlace, placeOf, serve } from '../../support/traffic.ts'
import { until } from '../../support/until.ts'

const windowMs = 60_000
/** No tick comes before the test is over. */
const slow = { intervalMs: 60_000, windowMs }
const fast = { intervalMs: 250, windowMs }

function snapshotWith(rest: Partial<RouteConfiguration> = {}, version = 1): Snapshot {
  return snapshotOf({
    version,
    deployments: ['one', 'two', 'spare'].map((id) => deployment(id)),
    routes: [route({ one: 1, two: 2 }, { fallback: fallback(['spare']), ...rest })],
  })
}

/** A hub, the counters of its gateway, and what its process serves. */
interface Process extends AsyncDisposable {
  readonly hub: TrafficHub
  readonly counters: TrafficCounters
  readonly store: SnapshotStore
  readonly warnings: string[]
}

function openProcess(
  database: Database,
  id = 'gateway-1',
  { others = [] as readonly string[], clockAheadMs = 0 } = {},
): Process {
  const now = () => Date.now() + clockAheadMs
  const counters = createTrafficCounters({ now })
  const store = createSnapshotStore()
  store.publish(snapshotWith())
  const warnings: string[] = []
  const log = { info: () => undefined, warn: (_fields: object, message: string) => void warnings.push(message) }
  const hub = openTrafficHub({
    gatewayId: id,
    db: database.db,
    store,
    counters,
    otherGatewayIds: () => others,
    hasPeers: () => others.length > 0,
    now,
    log,
  })
  return { hub, counters, store, warnings, [Symbol.asyncDispose]: () => hub[Symbol.asyncDispose]() }
}

function requestsOf({ targets }: RouteTrafficReport): number[] {
  return targets.map(({ requests }) => requests)
}

describe('one process', () => {
  test('shows what it counted', async () => {
    await using database = await openTestDatabase()
    await using process = openProcess(database)
    serve(process.counters, placeOf('one'), 1)
    serve(process.counters, placeOf('two'), 2)
    serve(process.counters, fallbackPlace('spare'), 1, endOf({ outcome: 'OK_BY_FALLBACK' }))
    process.counters.began(placeOf('two'))
    const traffic = await process.hub.read('route', windowMs)
    expect(traffic).toMatchObject({ requests: 4, inFlight: 1, fallbackShare: 0.25, gateways: 1, revision: 1 })
    expect(requestsOf(traffic)).toEqual([1, 2, 1])
    expect(traffic.targets.map(({ observedShare }) => observedShare)).toEqual([0.25, 0.5, 0.25])
  })

  test('gives a watcher the first event at once, one each interval, and one at once after a new revision', async () => {
    await using database = await openTestDatabase()
    await using process = openProcess(database)
    const patient: RouteTrafficReport[] = []
    const eager: RouteTrafficReport[] = []
    process.hub.watch('route', slow, (traffic) => void patient.push(traffic))
    process.hub.watch('route', fast, (traffic) => void eager.push(traffic))
    await until(() => patient.length === 1 && eager.length === 1)
    serve(process.counters, placeOf('one'), 3)
    await until(() => eager.some(({ requests }) => requests === 3))
    expect(patient).toHaveLength(1)
    process.store.publish(snapshotWith({ revision: 2, fallback: null }, 2))
    await until(() => patient.length === 2)
    expect(patient[1]).toMatchObject({ requests: 3, revision: 1 })
    expect(patient[1]!.targets).toHaveLength(2)
    process.store.publish(snapshotWith({ revision: 2, fallback: null }, 3))
    process.store.publish(snapshotOf({ version: 4 }))
    await until(() => patient.length === 3)
    expect(patient[2]!.targets.map(({ backendId }) => backendId)).toEqual(['one'])
  })

  test('computes once for all who watch the same window at the same interval', async () => {
    await using database = await openTestDatabase()
    await using process = openProcess(database)
    const seen: Set<RouteTrafficReport>[] = Array.from({ length: 1_000 }, () => new Set())
    for (const mine of seen) process.hub.watch('route', slow, (traffic) => void mine.add(traffic))
    await until(() => seen.every(({ size }) => size === 1))
    expect(process.hub.watches).toBe(1)
    process.store.publish(snapshotWith({ revision: 2 }, 2))
    await until(() => seen.every(({ size }) => size === 2))
    expect(new Set(seen.map((mine) => [...mine][1])).size).toBe(1)
  })

  test('has nothing left of thousands who came and went, at once or after their first event', async () => {
    await using database = await openTestDatabase()
    await using process = openProcess(database)
    let events = 0
    for (let round = 0; round < 20; round++) {
      const leaving = Array.from({ length: 200 }, (_, i) =>
        process.hub.watch(`route-${i % 50}`, { ...slow, intervalMs: 1_000 + (i % 2) }, () => void events++),
      )
      expect(process.hub.watches).toBe(50)
      if (round % 2 === 1) await until(() => events === 200)
      for (const leave of leaving) {
        leave()
        leave()
      }
      expect(process.hub.watches).toBe(0)
      events = 0
    }
    process.store.publish(snapshotWith({ revision: 2 }, 2))
    await new Promise((resolve) => setImmediate(resolve))
    expect(events).toBe(0)
  })

  test('goes on when one who watches throws', async () => {
    await using database = await openTestDatabase()
    await using process = openProcess(database)
    const seen: RouteTrafficReport[] = []
    process.hub.watch('route', fast, () => {
      throw new Error('a fault of the subscriber')
    })
    process.hub.watch('route', fast, (traffic) => void seen.push(traffic))
    await until(() => seen.length === 3)
    expect(process.warnings.length).toBeGreaterThan(0)
  })

  test('writes nothing while it is alone, and tells everything when another joins', async () => {
    await using database = await openTestDatabase()
    const others: string[] = []
    await using first = openProcess(database, 'gateway-1', { others })
    await using second = openProcess(database, 'gateway-2', { others: ['gateway-1'] })
    serve(first.counters, placeOf('one'), 5)
    expect((await second.hub.read('route', windowMs)).requests).toBe(0)
    others.push('gateway-2')
    await until(async () => (await second.hub.read('route', windowMs)).requests === 5)
  })
})

describe('two processes over one database', () => {
  const pair = (database: Database, rest: { clockAheadMs?: number } = {}) => ({
    first: openProcess(database, 'gateway-1', { others: ['gateway-2'] }),
    second: openProcess(database, 'gateway-2', { others: ['gateway-1'], ...rest }),
  })

  test('show the same: the sum of both, also of what is in flight', async () => {
    await using database = await openTestDatabase()
    const { first, second } = pair(database)
    await using _first = first
    await using _second = second
    const divergence = { reason: 'FALLBACK', targetId: 'tgt-one' } as const
    serve(first.counters, placeOf('one'), 10)
    serve(second.counters, placeOf('one'), 5)
    serve(second.counters, placeOf('two', { revision: 4 }), 20)
    serve(second.counters, fallbackPlace('spare'), 5, endOf({ divergence, outcome: 'OK_BY_FALLBACK' }))
    second.counters.began(placeOf('two'))
    for (const { hub } of [first, second]) {
      const traffic = await until(async () => {
        const traffic = await hub.read('route', windowMs)
        return traffic.requests === 40 && traffic.inFlight === 1 && traffic
      })
      expect(requestsOf(traffic)).toEqual([15, 20, 5])
      expect(traffic).toMatchObject({
        revision: 4,
        fallbackShare: 0.125,
        gateways: 2,
        divergence: [{ ...divergence, share: 0.125 }],
      })
    }
  })

  test('see what the other counts while they watch, each request once', async () => {
    await using database = await openTestDatabase()
    const { first, second } = pair(database)
    await using _first = first
    await using _second = second
    let latest: RouteTrafficReport | undefined
    first.hub.watch('route', fast, (traffic) => void (latest = traffic))
    for (let total = 7; total <= 35; total += 7) {
      serve(second.counters, placeOf('two'), 7)
      second.counters.began(placeOf('one'))
      await until(() => latest!.requests === total && latest!.inFlight === total / 7)
    }
    for (let i = 0; i < 5; i++) second.counters.left(placeOf('one'))
    await until(() => latest!.inFlight === 0)
    expect(latest).toMatchObject({ requests: 35, gateways: 2 })
    expect(latest!.targets[0]).toMatchObject({ requests: 0, errorShare: 1 })
  })

  test('count both gateways also while only one has traffic', async () => {
    await using database = await openTestDatabase()
    const { first, second } = pair(database)
    await using _first = first
    await using _second = second
    serve(first.counters, placeOf('one'))
    expect(await first.hub.read('route', windowMs)).toMatchObject({ requests: 1, gateways: 2 })
  })

  test('agree on the window although one clock is an hour ahead of the other', async () => {
    await using database = await openTestDatabase()
    const { first, second } = pair(database, { clockAheadMs: 3_600_000 })
    await using _first = first
    await using _second = second
    serve(first.counters, placeOf('one'), 3)
    serve(second.counters, placeOf('two'), 4)
    for (const { hub } of [first, second])
      await until(async () => (await hub.read('route', 10_000)).requests === 7, { what: 'the sum of both' })
  })

  test('keep what the one that stopped had counted last', async () => {
    await using database = await openTestDatabase()
    const { first, second } = pair(database)
    await using _first = first
    serve(second.counters, placeOf('two'), 9)
    await second[Symbol.asyncDispose]()
    expect((await first.hub.read('route', windowMs)).requests).toBe(9)
  })

  test('read a wider window whole after a narrow one', async () => {
    await using database = await openTestDatabase()
    await using first = openProcess(database, 'gateway-1')
    const nowS = Math.floor(Date.now() / 1000)
    const report = { revision: 1, requests: 1, places: [], divergence: [] }
    const rowAt = (second: number) => ({ routeId: 'route', second, report: { ...report, second }, inFlight: [] })
    await upsertTraffic(database.db, 'gateway-2', [rowAt(nowS - 200), rowAt(nowS)])
    await database.db
      .updateTable('gateway_traffic')
      .set({ written_at: new Date((nowS - 200) * 1000) })
      .where('second', '=', nowS - 200)
      .execute()
    expect((await first.hub.read('route', 10_000)).requests).toBe(1)
    expect((await first.hub.read('route', 300_000)).requests).toBe(2)
    expect((await first.hub.read('route', 10_000)).requests).toBe(1)
  })
})

describe('the database', () => {
  test('that is away takes only the others away: own counters are shown, and it is said once', async () => {
    await using database = openDatabase({ url: 'postgres://nobody@127.0.0.1:1/none' })
    await using process = openProcess(database, 'gateway-1', { others: ['gateway-2'] })
    serve(process.counters, placeOf('one'), 6)
    const seen: RouteTrafficReport[] = []
    process.hub.watch('route', fast, (traffic) => void seen.push(traffic))
    await until(() => seen.length === 3)
    expect(seen.at(-1)).toMatchObject({ requests: 6, gateways: 1 })
    expect(process.warnings).toHaveLength(1)
  })

  test('that does not answer holds nobody up', async () => {
    await using database = await openTestDatabase()
    await using held = openDatabase({ url: database.url })
    await using process = openProcess(database)
    serve(process.counters, placeOf('one'), 2)
    let release = () => {}
    const locked = Promise.withResolvers<void>()
    const holding = held.db.transaction().execute(async (tx) => {
      await sql`lock table gateway_traffic in access exclusive mode`.execute(tx)
      locked.resolve()
      await new Promise<void>((resolve) => (release = resolve))
    })
    await locked.promise
    try {
      expect((await process.hub.read('route', windowMs)).requests).toBe(2)
    } finally {
      release()
      await holding
    }
  })

  test('is asked once by all who ask at once, however many routes they ask for', async () => {
    let statements = 0
    await using database = await openTestDatabase({ onStatement: () => void statements++ })
    await using process = openProcess(database)
    await process.hub.read('route', windowMs)
    statements = 0
    await Promise.all(Array.from({ length: 100 }, (_, i) => process.hub.read(`route-${i}`, windowMs)))
    expect(statements).toBe(1)
  })

  test('forgets what no window reaches any more, and what a wrong clock put into the future', async () => {
    await using database = await openTestDatabase()
    const nowS = Math.floor(Date.now() / 1000)
    const rows = [-1_000, -340, -300, 0, 200, 5_000].map((age) => ({
      routeId: 'route',
      second: nowS + age,
      report: { second: nowS + age, revision: 1, requests: 1, places: [], divergence: [] },
      inFlight: [],
    }))
    await upsertTraffic(database.db, 'gateway-1', rows)
    await deleteOldTraffic(database.db)
    const kept = await database.db.selectFrom('gateway_traffic').select('second').orderBy('second').execute()
    expect(kept.map(({ second }) => second - nowS)).toEqual([-300, 0, 200])
  })
})
