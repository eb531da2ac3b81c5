/** What is kept for a while only, apart from the request log and the sums by minute. */
import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Database } from '../../../src/storage/database/database.ts'
import { pruneHistory } from '../../../src/storage/change/retention.ts'
import { pruneUsageDimensions } from '../../../src/storage/usage/ledger/dimensions.ts'
import { insertUsageRecords } from '../../../src/storage/usage/ledger/insert.ts'
import { openTestDatabase } from '../../support/database.ts'
import { until } from '../../support/until.ts'
import { usageRecord } from '../../support/usage-record.ts'

let database: Database
beforeEach(async () => void (database = await openTestDatabase()))
afterEach(() => database[Symbol.asyncDispose]())

async function countOf(table: 'config_change' | 'route_revision' | 'usage_dimension'): Promise<number> {
  const { n } = await database.db
    .selectFrom(table)
    .select(({ fn }) => fn.countAll<number>().as('n'))
    .executeTakeFirstOrThrow()
  return n
}

test('what no sum is about goes, and what one is about stays', async () => {
  const { db } = database
  const records = [
    usageRecord(),
    usageRecord({ routeName: 'other', outcome: 'CANCELLED' }),
    usageRecord({ routeId: null }),
  ]
  await insertUsageRecords(db, records)
  const used = await countOf('usage_dimension')
  expect(await pruneUsageDimensions(db)).toBe(0)
  await sql`insert into usage_dimension (key, level) select gen_random_uuid(), level
    from unnest(array['FULL', 'SERVICE', 'CALLER', 'ROUTE', 'ALL']) as level`.execute(db)
  expect(await pruneUsageDimensions(db)).toBe(5)
  expect(await countOf('usage_dimension')).toBe(used)
})

test('what an insert that is under way has found stays', async () => {
  const { db } = database
  await insertUsageRecords(db, [usageRecord()])
  const used = await countOf('usage_dimension')
  // All that it is about is there, and nothing refers to it.
  await sql`delete from usage_rollup`.execute(db)
  const [inserted, isInserted] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const inserting = db.transaction().execute(async (tx) => {
    await insertUsageRecords(tx, [usageRecord()])
    isInserted.resolve()
    await inserted.promise
  })
  await isInserted.promise
  const pruning = pruneUsageDimensions(db)
  await until(async () => {
    const { rows } = await sql`select 1 from pg_locks where not granted and mode = 'ShareRowExclusiveLock'
      and relation = 'usage_dimension'::regclass`.execute(db)
    return rows.length > 0
  })
  inserted.resolve()
  await inserting
  expect(await pruning).toBe(0)
  expect(await countOf('usage_dimension')).toBe(used)
})

/** As many versions, one a second; the latest one this many days ago. */
async function makeVersions(count: number, latestDaysAgo: number): Promise<void> {
  await sql`update config_version set version = ${count}`.execute(database.db)
  await sql`insert into config_change (version, committed_at, actor_id, subject_ids)
    select n, now() - ${latestDaysAgo} * interval '24 hours' - (${count}::bigint - n) * interval '1 second', 'system:test', '{}'
    from generate_series(1, ${count}::bigint) as n`.execute(database.db)
}

test('of changes the newest 10,000 are kept, and those of 30 days', async () => {
  await makeVersions(10_050, 31)
  await sql`update config_change set committed_at = now() where version = 20`.execute(database.db)
  expect(await pruneHistory(database.db)).toEqual({ changes: 49, revisions: 0 })
  const { rows } = await sql<{ first: number; last: number }>`
    select min(version) filter (where version > 20) as first, max(version) as last from config_change`.execute(
    database.db,
  )
  expect(rows[0]).toEqual({ first: 51, last: 10_050 })
  expect(await countOf('config_change')).toBe(10_001)
})

test('changes of the last 30 days are kept, however many they are', async () => {
  await makeVersions(12_000, 0)
  expect(await pruneHistory(database.db)).toEqual({ changes: 0, revisions: 0 })
})

test('of each route the newest 1,000 revisions are kept, and those of 30 days', async () => {
  await sql`insert into route_revision (id, route_id, number, kind, actor_id, created_at, state)
    select 'rev_' || left(md5(route || n::text), 26), 'rte_' || rpad(route, 26, '0'), n, 'UPDATED', 'system:test',
      now() - interval '24 hours' * age, '{}'
    from (values ('many', 1005, 31), ('few', 900, 400), ('recent', 1005, 29)) as made (route, count, age),
      generate_series(1, count) as n`.execute(database.db)
  expect(await pruneHistory(database.db)).toEqual({ changes: 0, revisions: 5 })
  const { rows } = await sql<{ route: string; first: number; n: number }>`
    select rtrim(substr(route_id, 5), '0') as route, min(number) as first, count(*) as n
    from route_revision group by route_id order by route_id`.execute(database.db)
  expect(rows).toEqual([
    { route: 'few', first: 1, n: 900 },
    { route: 'many', first: 6, n: 1_000 },
    { route: 'recent', first: 1, n: 1_005 },
  ])
})
