import { afterAll, beforeAll, expect, test } from 'vitest'
import type { UsageFilter } from '../../../src/routing/usage/filter.ts'
import { matchesUsageFilter } from '../../../src/routing/usage/filter.ts'
import type { UsageRecord } from '../../../src/routing/usage/record.ts'
import type { Database } from '../../../src/storage/database/database.ts'
import { listRequestLogs, listRequestLogsByIds } from '../../../src/storage/usage/request-log.ts'
import { insertUsageRecords } from '../../../src/storage/usage/ledger/insert.ts'
import { openTestDatabase } from '../../support/database.ts'
import { usageRecord } from '../../support/usage-record.ts'

const start = Date.UTC(2026, 10, 20, 23, 59)

let database: Database
let newestFirst: UsageRecord[]
beforeAll(async () => {
  database = await openTestDatabase()
  const records = Array.from({ length: 200 }, (_, n) =>
    usageRecord({
      startedAtMs: start + Math.floor(n / 3) * 1_000,
      // Long ones end much later than those that began after them.
      durationMs: n % 10 === 0 ? 3_600_000 : 5.25,
      routeId: `rte_${n % 3}`,
      apiKeyId: n % 4 === 0 ? null : `key_${n % 4}`,
      apiKeyName: n % 4 === 0 ? null : 'app',
      outcome: n % 5 === 0 ? 'UPSTREAM_ERROR' : 'OK',
      stream: n % 2 === 0,
      status: n % 5 === 0 ? 503 : 200,
      errorCode: n % 5 === 0 ? 'upstream_timeout' : null,
      attempts: Array.from({ length: n % 3 }, () => usageRecord().attempts[0]!),
      tokens: n % 7 === 0 ? null : usageRecord().tokens,
      cost: n % 7 === 0 ? null : '1.0500',
    }),
  )
  await insertUsageRecords(database.db, records)
  newestFirst = records.toSorted((a, b) => (a.id < b.id ? 1 : -1))
})
afterAll(() => database[Symbol.asyncDispose]())

const everything = { from: null, to: null, filter: {} }
const first = { after: null, before: null, fromEnd: false }

test('a record comes back as it was, whatever its length, newest beginning first', async () => {
  const page = await listRequestLogs(database.db, everything, { ...first, limit: 500 })
  expect(page.rows).toEqual(newestFirst)
  expect(page.hasMore).toBe(false)
})

test('pages join without a gap while new requests come in', async () => {
  const seen: string[] = []
  let after: string | null = null
  for (;;) {
    const page = await listRequestLogs(database.db, everything, { ...first, after, limit: 30 })
    seen.push(...page.rows.map((row) => row.id))
    if (!page.hasMore) break
    after = page.rows.at(-1)!.id
    await insertUsageRecords(database.db, [usageRecord({ startedAtMs: start + 7_200_000, routeId: 'rte_later' })])
  }
  expect(seen).toEqual(newestFirst.map((record) => record.id))
})

test.each<UsageFilter>([
  { routeIds: ['rte_1'] },
  { routeIds: [] },
  { apiKeyIds: ['key_1', 'key_2'], outcomes: ['UPSTREAM_ERROR'] },
  { stream: true, routeIds: ['rte_0', 'rte_2'] },
  { backendIds: ['dep_1'], providerIds: null, userIds: ['usr_1'] },
  { operations: ['/v1/chat/completions'], retried: true },
  { retried: false, statuses: [200, 404] },
  { statuses: [503], errorCodes: ['upstream_timeout'], requestedModels: ['chat', 'x'] },
  { errorCodes: [] },
])('the filter %j and a range give exactly the requests that began in it', async (filter) => {
  const range = { from: new Date(start + 5_000), to: new Date(start + 61_000) }
  const page = await listRequestLogs(database.db, { ...range, filter }, { ...first, limit: 500 })
  const expected = newestFirst
    .filter((record) => record.startedAtMs >= start + 5_000 && record.startedAtMs < start + 61_000)
    .filter((record) => matchesUsageFilter(record, filter))
  expect(page.rows.map((row) => row.id)).toEqual(expected.map((record) => record.id))
})

test('a request is found by the id that its client saw', async () => {
  const [record] = newestFirst
  expect(await listRequestLogsByIds(database.db, [record!.id, 'req_nonsense', 'rte_0'])).toEqual([record])
})
