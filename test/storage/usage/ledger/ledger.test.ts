/** What the database itself keeps of the promise that usage counts once: over crashes, retention, clocks and gateways that are gone. */
import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Database } from '../../../../src/storage/database/database.ts'
import { createUsageEncoder } from '../../../../src/storage/usage/ledger/encoder.ts'
import { insertUsageEntries, judgeFailure } from '../../../../src/storage/usage/ledger/insert.ts'
import { maintainUsagePartitions } from '../../../../src/storage/usage/ledger/partitions.ts'
import {
  adoptUsageProgress,
  countAllLostRequests,
  countLostRequests,
  deleteUsageProgress,
  findCompleteUntil,
  forgetSilentSpools,
  forgetUsageOfGateway,
  listSpoolStatus,
  refuseUsageRecord,
  reportUsageProgress,
} from '../../../../src/storage/usage/ledger/progress.ts'
import { openTestDatabase } from '../../../support/database.ts'
import { usageRecord } from '../../../support/usage-record.ts'

const dayMs = 86_400_000
const minuteMs = 60_000

let database: Database
beforeEach(async () => void (database = await openTestDatabase()))
afterEach(() => database[Symbol.asyncDispose]())

function entriesAt(startedAtMs: number, count: number) {
  const encoder = createUsageEncoder()
  return Array.from({ length: count }, () => encoder.encode(usageRecord({ startedAtMs })))
}

async function requestsByLayer(): Promise<number[]> {
  const { rows } = await sql<{ requests: number }>`
    select sum(requests)::bigint as requests from usage_rollup group by layer`.execute(database.db)
  return rows.map(({ requests }) => requests)
}

test('what comes again after its partition was dropped is known, and only what is new counts', async () => {
  const { db } = database
  const longAgo = Date.now() - 40 * dayMs
  const entries = entriesAt(longAgo, 12)
  const origin = { spoolId: 'spool', runId: randomUUID() }
  const sequences = entries.map((_, i) => i + 1)
  expect(await insertUsageEntries(db, entries.slice(0, 10), { ...origin, sequences: sequences.slice(0, 10) })).toBe(10)
  expect(await maintainUsagePartitions(db, 30, Date.now())).toHaveLength(1)
  expect(await insertUsageEntries(db, entries, { ...origin, sequences })).toBe(2)
  expect(new Set(await requestsByLayer())).toEqual(new Set([12]))
})

test('a gateway that stopped for good, and was killed before its files were deleted, sends nothing that counts again', async () => {
  const { db } = database
  const entries = entriesAt(Date.now() - 40 * dayMs, 5)
  const origin = { spoolId: 'spool', runId: randomUUID(), sequences: [1, 2, 3, 4, 5] }
  await insertUsageEntries(db, entries, origin)
  await reportUsageProgress(db, { spoolId: 'spool', completeUntilMs: Date.now(), pending: 0, lost: 0, runIds: [] })
  await deleteUsageProgress(db, 'spool')
  expect(await maintainUsagePartitions(db, 30, Date.now())).toHaveLength(1)
  expect(await insertUsageEntries(db, entries, origin)).toBe(0)
  expect(new Set(await requestsByLayer())).toEqual(new Set([5]))
})

test('batches that arrive in the wrong order leave a gap, and what belongs there still counts', async () => {
  const { db } = database
  const entries = entriesAt(Date.now() - 40 * dayMs, 9)
  const origin = { spoolId: 'spool', runId: randomUUID() }
  const send = (...at: number[]) =>
    insertUsageEntries(
      db,
      at.map((i) => entries[i]!),
      { ...origin, sequences: at.map((i) => i + 1) },
    )
  expect(await send(6, 7, 8)).toBe(3)
  expect(await send(0, 1, 2)).toBe(3)
  await maintainUsagePartitions(db, 30, Date.now())
  expect(await send(0, 1, 2, 3, 4, 5, 6, 7, 8)).toBe(3)
  const { rows } = await sql<{ shipped: string }>`select shipped::text as shipped from usage_run`.execute(db)
  expect(rows).toEqual([{ shipped: '{[1,10)}' }])
})

test('retention drops nothing that a spool may still send, unless that spool is forgotten', async () => {
  const { db } = database
  await insertUsageEntries(db, entriesAt(Date.now() - 40 * dayMs, 1))
  await insertUsageEntries(db, entriesAt(Date.now() - 35 * dayMs, 1))
  const progress = { spoolId: 'behind', completeUntilMs: Date.now() - 36 * dayMs, pending: 3, lost: 0 }
  await reportUsageProgress(db, progress)
  expect(await maintainUsagePartitions(db, 30, Date.now())).toHaveLength(1)
  expect(await maintainUsagePartitions(db, 30, Date.now())).toEqual([])
  await sql`insert into gateway (id, applied_version, applied_at, started_at, seen_at, build, spool_id)
    values ('gone', 1, now(), now(), now(), 'test', 'behind')`.execute(db)
  await forgetUsageOfGateway(db, 'gone')
  expect(await maintainUsagePartitions(db, 30, Date.now())).toHaveLength(1)
})

test('a gateway whose clock is 40 days ahead drops nothing', async () => {
  const { db } = database
  await insertUsageEntries(db, entriesAt(Date.now(), 1))
  expect(await maintainUsagePartitions(db, 30, Date.now() + 40 * dayMs)).toEqual([])
})

test('a request that ended in no year that a partition can have is refused; a partition that is missing passes', async () => {
  const [storable, not] = [usageRecord(), usageRecord({ startedAtMs: Date.UTC(12_000, 0, 1) })]
  const encoder = createUsageEncoder()
  const fault = await insertUsageEntries(database.db, [encoder.encode(not)]).catch((error: unknown) => error)
  expect(judgeFailure(fault)).toBe('REFUSED')
  // A table of that name is there, and is no partition: as if another gateway's retention were always faster.
  await sql`alter table usage_record rename to usage_record_whole`.execute(database.db)
  await sql`create table usage_record (like usage_record_whole including defaults) partition by range (ended_at)`.execute(
    database.db,
  )
  await sql`create table usage_record_2026_11_22 (like usage_record_whole)`.execute(database.db)
  const missing = await insertUsageEntries(database.db, [encoder.encode(storable)]).catch((error: unknown) => error)
  expect(missing).toMatchObject({ code: '23514' })
  expect(judgeFailure(missing)).toBe('PASSING')
})

test('a refused record is marked and counted once, whoever finds it again', async () => {
  const { db } = database
  const refused = {
    spoolId: 'spool',
    runId: randomUUID(),
    sequence: 7,
    losses: [{ source: 'run', minuteMs: 60_000 * 1000, requests: 1 }],
  }
  expect(await refuseUsageRecord(db, refused)).toBe(true)
  expect(await refuseUsageRecord(db, { ...refused, losses: [{ ...refused.losses[0]!, source: 'next run' }] })).toBe(
    false,
  )
  expect(await countAllLostRequests(db)).toBe(1)
})

test('what is lost adds up over runs and minutes, can be told again, and goes with its spool', async () => {
  const { db } = database
  const now = Math.floor(Date.now() / minuteMs) * minuteMs
  const report = (source: string, requests: number, minute: number) =>
    reportUsageProgress(db, {
      spoolId: 'spool',
      completeUntilMs: now,
      pending: 0,
      lost: requests,
      losses: [{ source, minuteMs: minute, requests }],
    })
  await report('first run', 3, now - 10 * minuteMs)
  await report('first run', 5, now - 10 * minuteMs)
  await report('first run', 4, now - 10 * minuteMs)
  await report('second run', 2, now - minuteMs)
  expect(await countAllLostRequests(db)).toBe(7)
  expect(await countLostRequests(db, new Date(now - 5 * minuteMs), new Date(now + minuteMs))).toBe(2)
  expect(await countLostRequests(db, new Date(now - minuteMs + 30_000), new Date(now))).toBe(2)
  await reportUsageProgress(db, { spoolId: 'heir', completeUntilMs: now, pending: 0, lost: 0 })
  await adoptUsageProgress(db, 'heir', ['spool'])
  const status = await listSpoolStatus(db, ['heir', 'spool'])
  expect([status.get('heir')?.lost, status.get('spool')?.lost]).toEqual([7, 0])
})

test('a gateway that is silent for ten minutes is waited for no more, its records count as lost until it is heard of again', async () => {
  const { db } = database
  const silent = { spoolId: 'silent', completeUntilMs: Date.now() - 20 * minuteMs, pending: 4, lost: 0 }
  await reportUsageProgress(db, silent)
  await reportUsageProgress(db, { spoolId: 'heard', completeUntilMs: Date.now(), pending: 0, lost: 0 })
  await forgetSilentSpools(db)
  expect((await findCompleteUntil(db)).getTime()).toBe(silent.completeUntilMs)
  await sql`update usage_progress set reported_at = now() - interval '11 minutes' where spool_id = 'silent'`.execute(db)
  await forgetSilentSpools(db)
  expect((await findCompleteUntil(db)).getTime()).toBeGreaterThan(Date.now() - minuteMs)
  expect(await countAllLostRequests(db)).toBe(4)
  expect(await countLostRequests(db, new Date(Date.now() - dayMs), new Date(Date.now() - 30 * minuteMs))).toBe(0)
  await reportUsageProgress(db, silent)
  expect(await countAllLostRequests(db)).toBe(0)
  expect((await findCompleteUntil(db)).getTime()).toBe(silent.completeUntilMs)
})

test('what is said of runs whose files are gone is forgotten; of others it is kept', async () => {
  const { db } = database
  const [gone, left, other] = [randomUUID(), randomUUID(), randomUUID()]
  for (const runId of [gone, left, other]) {
    const spoolId = runId === other ? 'another spool' : 'spool'
    await insertUsageEntries(db, entriesAt(Date.now(), 1), { spoolId, runId, sequences: [1] })
  }
  const report = { spoolId: 'spool', completeUntilMs: 0, pending: 0, lost: 0, runIds: [left] }
  await reportUsageProgress(db, report)
  // Its machine may die now, and then the file of the run is there again.
  expect(await db.selectFrom('usage_run').select('run_id').execute()).toHaveLength(3)
  await sql`update usage_run set updated_at = now() - interval '25 hours'`.execute(db)
  await reportUsageProgress(db, report)
  const rows = await db.selectFrom('usage_run').select('run_id').execute()
  expect(new Set(rows.map(({ run_id }) => run_id))).toEqual(new Set([left, other]))
})
