import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, afterEach, expect, test } from 'vitest'
import { UnclearFailure, type UsageStore } from '../../../src/gateway/spool/delivery.ts'
import { startShipper } from '../../../src/gateway/spool/ship.ts'
import { openSpool } from '../../../src/gateway/spool/spool.ts'
import { type Database, openDatabase } from '../../../src/storage/database/database.ts'
import { createUsageStore } from '../../../src/server/usage/store.ts'
import { createUsageEncoder } from '../../../src/storage/usage/ledger/encoder.ts'
import {
  countAllLostRequests,
  deleteUsageProgress,
  findCompleteUntil,
} from '../../../src/storage/usage/ledger/progress.ts'
import { openTestDatabase } from '../../support/database.ts'
import { until } from '../../support/until.ts'
import { usageRecord } from '../../support/usage-record.ts'

let database: Database
let root: string
beforeAll(async () => void (database = await openTestDatabase()))
afterAll(() => database[Symbol.asyncDispose]())
beforeEach(() => void (root = mkdtempSync(join(tmpdir(), 'signalbox-ship-'))))
afterEach(() => rmSync(root, { recursive: true }))

const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

/** The store as the server plugs it in; `db` may change its mind about which database that is. */
function storeIn(db: () => Database): UsageStore {
  return {
    deliver: (records, origin) => createUsageStore(db().db).deliver(records, origin),
    refuse: (record, origin, losses) => createUsageStore(db().db).refuse(record, origin, losses),
    report: (spoolId, state) => createUsageStore(db().db).report(spoolId, state),
  }
}

async function countOf(routeId: string): Promise<number> {
  const row = await database.db
    .selectFrom('usage_record')
    .where('route_id', '=', routeId)
    .select(({ fn }) => fn.countAll<number>().as('n'))
    .executeTakeFirstOrThrow()
  return row.n
}

test('records that waited for the database get there once it is back, each once', async () => {
  await using away = openDatabase({ url: 'postgres://nobody@127.0.0.1:1/nowhere' })
  let current = away
  using spool = openSpool({ root, encoder: createUsageEncoder(), log, maxInMemory: 50 })
  const shipper = startShipper({ spool, store: storeIn(() => current), log })
  for (let n = 0; n < 300; n++) spool.append(usageRecord({ routeId: 'rte_waits' }), null, () => {})
  await until(() => spool.state().pending === 300)
  current = database
  await until(async () => (await countOf('rte_waits')) === 300)
  expect(await shipper.stop(1_000)).toBe(true)
  expect(await countOf('rte_waits')).toBe(300)
})

test('what comes while records are on their way is gathered, and not sent in small batches', async () => {
  using spool = openSpool({ root, encoder: createUsageEncoder(), log })
  const store = storeIn(() => database)
  let appended = 0
  const batches: number[] = []
  const append = () => {
    appended++
    spool.append(usageRecord({ routeId: 'rte_gathered' }), null, () => {})
  }
  const shipper = startShipper({
    spool,
    log,
    store: {
      ...store,
      async deliver(records, origin) {
        batches.push(records.length)
        // All the while requests end.
        if (appended < 1_000) for (let n = 0; n < 100; n++) append()
        await store.deliver(records, origin)
        if (appended < 1_000) for (let n = 0; n < 100; n++) append()
      },
    },
  })
  append()
  await until(async () => (await countOf('rte_gathered')) === 1_001)
  expect(await shipper.stop(1_000)).toBe(true)
  expect(batches).toEqual([1, 200, 200, 200, 200, 200])
})

test('a record that the database refuses is counted as lost, and holds up no other', async () => {
  using spool = openSpool({ root, encoder: createUsageEncoder(), log })
  for (let n = 0; n < 30; n++) {
    spool.append(usageRecord({ routeId: 'rte_refused', status: n === 17 ? 1e12 : 200 }), null, () => {})
  }
  const shipper = startShipper({ spool, store: storeIn(() => database), log })
  await until(async () => (await countOf('rte_refused')) === 29)
  expect(await shipper.stop(1_000)).toBe(true)
  expect(spool.state()).toMatchObject({ pending: 0, lost: 1 })
})

test('usage is complete until just now when nothing waits, and no further than what waits', async () => {
  using spool = openSpool({ root, encoder: createUsageEncoder(), log })
  const shipper = startShipper({ spool, store: storeIn(() => database), log })
  await database.db.deleteFrom('usage_progress').where('spool_id', '!=', spool.id).execute()
  const now = Date.now()
  await until(async () => (await findCompleteUntil(database.db)).getTime() > now)
  await shipper.stop(1_000)
  const waiting = usageRecord({ startedAtMs: Date.now() - 5_000, durationMs: 2_000 })
  await new Promise<void>((resolve) => spool.append(waiting, null, resolve))
  await storeIn(() => database).report(spool.id, spool.state())
  expect((await findCompleteUntil(database.db)).getTime()).toBe(waiting.startedAtMs + 2_000)
})

test('two batches that fail one after the other, the second first, wait like all others', async () => {
  using spool = openSpool({ root, encoder: createUsageEncoder(), log })
  const stored = storeIn(() => database)
  const first = Promise.withResolvers<void>()
  let deliveries = 0
  const store: UsageStore = {
    ...stored,
    deliver: async (records, origin) => {
      const delivery = ++deliveries
      if (delivery === 1) await first.promise
      if (delivery <= 2) throw new Error('the database is away')
      await stored.deliver(records, origin)
    },
  }
  for (let n = 0; n < 2_500; n++) spool.append(usageRecord({ routeId: 'rte_two_batches' }), null, () => {})
  await until(() => spool.state().pending === 2_500)
  const shipper = startShipper({ spool, store, log })
  await until(() => deliveries === 2)
  // By now nobody may have been left to handle the failure of the second.
  await new Promise((resolve) => setImmediate(resolve))
  first.resolve()
  await until(async () => (await countOf('rte_two_batches')) === 2_500)
  expect(await shipper.stop(1_000)).toBe(true)
})

test('a refused record whose batch fails three more times counts as one lost, and once over a crash too', async () => {
  using spool = openSpool({ root, encoder: createUsageEncoder(), log })
  const stored = storeIn(() => database)
  let failures = 3
  const store: UsageStore = {
    ...stored,
    async deliver(records, origin) {
      await stored.deliver(records, origin)
      if (records.some(({ line }) => line.includes('last of them')) && failures-- > 0) throw new Error('it broke')
    },
  }
  for (let n = 0; n < 30; n++) {
    const requestedModel = n === 29 ? 'last of them' : 'chat'
    const record = usageRecord({ routeId: 'rte_refused_once', requestedModel, status: n === 17 ? 1e12 : 200 })
    spool.append(record, null, () => {})
  }
  await until(() => spool.state().pending === 30)
  const shipper = startShipper({ spool, store, log })
  await until(() => failures < 0, { timeoutMs: 20_000 })
  expect(await shipper.stop(5_000)).toBe(true)
  expect(spool.state()).toMatchObject({ pending: 0, lost: 1 })
  expect(await countOf('rte_refused_once')).toBe(29)
  // As a kill would have left it: the files are there, and all of it is sent again.
  cpSync(join(root, '0'), join(root, 'killed', '0'), { recursive: true })
  using next = openSpool({ root: join(root, 'killed'), encoder: createUsageEncoder(), log })
  const again = startShipper({ spool: next, store: stored, log })
  await until(() => next.state().pending === 0)
  await again.stop(1_000)
  expect(next.state().lost).toBe(0)
})

test('a record on which the database fails for no known reason holds up no other, and is lost alone', async () => {
  using spool = openSpool({ root, encoder: createUsageEncoder(), log })
  const stored = storeIn(() => database)
  const poisoned = usageRecord({ routeId: 'rte_poison', requestedModel: 'poison' })
  const store: UsageStore = {
    ...stored,
    async deliver(records, origin) {
      if (records.some(({ id }) => id === poisoned.id)) throw new UnclearFailure('invalid memory alloc request size')
      await stored.deliver(records, origin)
    },
  }
  for (let n = 0; n < 40; n++) spool.append(n === 0 ? poisoned : usageRecord({ routeId: 'rte_poison' }), null, () => {})
  const shipper = startShipper({ spool, store, log })
  await until(() => spool.state().lost === 1, { timeoutMs: 20_000 })
  expect(await shipper.stop(5_000)).toBe(true)
  expect(await countOf('rte_poison')).toBe(39)
})

test('while the database fails on whatever it is sent, nothing is given up', async () => {
  using spool = openSpool({ root, encoder: createUsageEncoder(), log })
  const stored = storeIn(() => database)
  let statements = 0
  let isBroken = true
  const store: UsageStore = {
    ...stored,
    async deliver(records, origin) {
      statements++
      if (isBroken) throw new UnclearFailure('relation "usage_record" does not exist')
      await stored.deliver(records, origin)
    },
  }
  for (let n = 0; n < 500; n++) spool.append(usageRecord({ routeId: 'rte_broken_table' }), null, () => {})
  const shipper = startShipper({ spool, store, log })
  await until(() => statements > 40, { timeoutMs: 20_000 })
  expect(spool.state()).toMatchObject({ pending: 500, lost: 0 })
  isBroken = false
  await until(() => spool.state().pending === 0, { timeoutMs: 20_000 })
  await shipper.stop(1_000)
  expect(await countOf('rte_broken_table')).toBe(500)
})

test('how far it is, is told while a batch is under way for long', async () => {
  using spool = openSpool({ root, encoder: createUsageEncoder(), log })
  const stored = storeIn(() => database)
  const held = Promise.withResolvers<void>()
  let reports = 0
  const store: UsageStore = {
    ...stored,
    deliver: () => held.promise,
    report(spoolId, state) {
      reports++
      return stored.report(spoolId, state)
    },
  }
  spool.append(usageRecord(), null, () => {})
  const shipper = startShipper({ spool, store, log })
  await until(() => reports > 2, { timeoutMs: 20_000 })
  held.resolve()
  await shipper.stop(1_000)
})

test('whoever stops is not done while a report is under way: it would be waited for again', async () => {
  using spool = openSpool({ root, encoder: createUsageEncoder(), log })
  const stored = storeIn(() => database)
  const held = Promise.withResolvers<void>()
  let reports = 0
  const store: UsageStore = {
    ...stored,
    async report(spoolId, state) {
      reports++
      await held.promise
      return await stored.report(spoolId, state)
    },
  }
  const shipper = startShipper({ spool, store, log })
  await until(() => reports === 1)
  expect(await shipper.stop(300)).toBe(false)
  held.resolve()
  expect(await shipper.stop(20_000)).toBe(true)
  await deleteUsageProgress(database.db, spool.id)
  const waitedFor = await database.db
    .selectFrom('usage_progress')
    .where('spool_id', '=', spool.id)
    .selectAll()
    .execute()
  expect(waitedFor).toEqual([])
})

test('at the end the database is told what is pending and lost, also if the report before failed', async () => {
  using spool = openSpool({ root, encoder: createUsageEncoder(), log })
  const stored = storeIn(() => database)
  let fails = false
  const store: UsageStore = {
    ...stored,
    async report(spoolId, state) {
      if (fails) throw new Error('the connection is reset')
      return await stored.report(spoolId, state)
    },
  }
  const shipper = startShipper({ spool, store, log })
  spool.append(usageRecord({ routeId: 'rte_last_word' }), null, () => {})
  await until(async () => (await countOf('rte_last_word')) === 1)
  fails = true
  const lost = usageRecord()
  spool.countRefused({ id: lost.id, endMs: lost.startedAtMs, sequence: 0, about: { number: 1, text: '' }, line: '' })
  const before = await countAllLostRequests(database.db)
  const stopped = shipper.stop(20_000)
  fails = false
  expect(await stopped).toBe(true)
  expect(await countAllLostRequests(database.db)).toBe(before + 1)
})

test('a store that takes no last word is not said to have heard it', async () => {
  using spool = openSpool({ root, encoder: createUsageEncoder(), log })
  const store = { ...storeIn(() => database), report: () => Promise.reject(new Error('the connection is reset')) }
  const shipper = startShipper({ spool, store, log })
  expect(await shipper.stop(1_000)).toBe(false)
})
