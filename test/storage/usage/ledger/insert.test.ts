import { sql } from 'kysely'
import { afterAll, beforeEach, beforeAll, expect, test } from 'vitest'
import type { Database } from '../../../../src/storage/database/database.ts'
import { abandonedRecord } from '../../../../src/gateway/spool/abandoned-record.ts'
import { insertUsageRecords, judgeFailure } from '../../../../src/storage/usage/ledger/insert.ts'
import { usageLayers } from '../../../../src/storage/usage/report/layers.ts'
import { openTestDatabase } from '../../../support/database.ts'
import { usageRecord } from '../../../support/usage-record.ts'

let database: Database
beforeAll(async () => void (database = await openTestDatabase()))
beforeEach(() => sql`truncate usage_record, usage_rollup, usage_dimension`.execute(database.db))
afterAll(() => database[Symbol.asyncDispose]())

async function sums() {
  return await database.db
    .selectFrom('usage_rollup')
    .select(({ fn }) => [
      'layer',
      fn.sum<string>('requests').as('requests'),
      fn.sum<string>('input_tokens').as('input'),
      fn.sum<string>('cost').as('cost'),
    ])
    .groupBy('layer')
    .orderBy('layer')
    .execute()
}

test('a record is in every layer of the sums', async () => {
  expect(await insertUsageRecords(database.db, [usageRecord()])).toBe(1)
  const rows = await sums()
  expect(rows.map((row) => row.layer)).toEqual(usageLayers.map((layer) => layer.number).sort((a, b) => a - b))
  for (const row of rows) expect(row).toMatchObject({ requests: '1', input: '10', cost: '0.00001725' })
})

test('the same batch twice counts once, and the same record twice in a batch too', async () => {
  const records = Array.from({ length: 50 }, () => usageRecord())
  expect(await insertUsageRecords(database.db, [...records.slice(0, 30), records[0]!])).toBe(30)
  expect(await insertUsageRecords(database.db, records)).toBe(20)
  for (const row of await sums()) expect(row).toMatchObject({ requests: '50', input: '500' })
})

test('of two records with one id in a batch the last counts, also if they ended at different times', async () => {
  const first = usageRecord({ status: 200, durationMs: 5 })
  const last = { ...first, status: 201, durationMs: 100_000 }
  expect(await insertUsageRecords(database.db, [first, usageRecord(), last])).toBe(2)
  const rows = await database.db.selectFrom('usage_record').select('status').where('id', '=', first.id).execute()
  expect(rows).toEqual([{ status: 201 }])
  for (const row of await sums()) expect(row.requests).toBe('2')
})

test('racing replays of overlapping batches in any order count each record once', async () => {
  const records = Array.from({ length: 300 }, (_, n) =>
    usageRecord({ routeId: `rte_${n % 7}`, apiKeyId: `key_${n % 5}` }),
  )
  const batches = Array.from({ length: 16 }, (_, n) => {
    const part = records.slice((n % 4) * 50, (n % 4) * 50 + 150)
    return n % 2 ? part.toReversed() : part
  })
  const inserted = await Promise.all(batches.map((batch) => insertUsageRecords(database.db, batch)))
  expect(inserted.reduce((sum, n) => sum + n)).toBe(300)
  for (const row of await sums()) expect(row.requests).toBe('300')
})

test('a name from a client that PostgreSQL would refuse is stored with replacement characters', async () => {
  const record = usageRecord({ requestedModel: 'a\u0000b\ud800c' })
  await insertUsageRecords(database.db, [record])
  const row = await database.db.selectFrom('usage_record').select('requested_model').executeTakeFirstOrThrow()
  expect(row.requested_model).toBe('a\ufffdb\ufffdc')
})

test('a record that can never be stored is told from a database that is away', async () => {
  const impossible = usageRecord({ durationMs: Number.NaN })
  const error = await insertUsageRecords(database.db, [impossible]).catch((caught: unknown) => caught)
  expect(judgeFailure(error)).toBe('REFUSED')
  expect(judgeFailure(new Error('connect ECONNREFUSED'))).toBe('PASSING')
})

test('a sketch of many values stays small and loses none', async () => {
  for (let batch = 0; batch < 4; batch++) {
    const records = Array.from({ length: 500 }, (_, n) => usageRecord({ durationMs: 1 + n, firstByteMs: null }))
    await insertUsageRecords(database.db, records)
  }
  const row = await database.db
    .selectFrom('usage_rollup')
    .select(['duration_sketch', 'first_byte_sketch', sql<number>`pg_column_size(duration_sketch)`.as('bytes')])
    .where('layer', '=', 7)
    .executeTakeFirstOrThrow()
  // Twelve digits for each bin.
  const counts = row.duration_sketch.match(/\d{1,12}(?=(?:\d{12})*$)/g)!.map(Number)
  expect(counts.reduce((sum, count) => sum + count)).toBe(2000)
  expect(row.bytes).toBeLessThan(1000)
  expect(row.first_byte_sketch).toBe('0')
})

test('records without a price have no cost, and do not make that of others null', async () => {
  await insertUsageRecords(database.db, [usageRecord({ cost: null })])
  expect((await sums())[0]).toMatchObject({ cost: null })
  await insertUsageRecords(database.db, [usageRecord({ cost: '0.1' }), usageRecord({ cost: null })])
  await insertUsageRecords(database.db, [usageRecord({ cost: '0.2' })])
  for (const row of await sums()) expect(row.cost).toBe('0.3')
})

test('a request that a crash cut off does not count beside its own record, which got there from memory', async () => {
  const [ended, cutOff] = [usageRecord(), usageRecord()]
  expect(await insertUsageRecords(database.db, [ended])).toBe(1)
  const abandoned = [ended, cutOff].map((request) => abandonedRecord(request, request.startedAtMs + 86_400_000))
  expect(await insertUsageRecords(database.db, abandoned)).toBe(1)
  expect(await insertUsageRecords(database.db, abandoned)).toBe(0)
  for (const row of await sums()) expect(row).toMatchObject({ requests: '2', input: '10' })
})
