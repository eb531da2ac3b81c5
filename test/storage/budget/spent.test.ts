import * as fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { addDecimals } from '../../../src/routing/usage/decimal.ts'
import {
  type Budget,
  type LimitDimension,
  limitDimensions,
  type LimitSubject,
} from '../../../src/routing/limits/limit.ts'
import { endedAtMs, type UsageRecord } from '../../../src/routing/usage/record.ts'
import { listSpent, type SpentAmount, spentInBuckets } from '../../../src/storage/budget/spent.ts'
import type { Database } from '../../../src/storage/database/database.ts'
import { insertUsageRecords } from '../../../src/storage/usage/ledger/insert.ts'
import { openTestDatabase } from '../../support/database.ts'
import { usageRecord } from '../../support/usage-record.ts'

const start = Date.UTC(2026, 8, 29, 21, 59, 30)
const spanMs = 70 * 86_400_000
/** Kathmandu's midnight is a quarter of an hour after UTC's, so a range may begin within any hour. */
const instant = fc.oneof(
  fc.integer({ min: start, max: start + spanMs }),
  fc.integer({ min: 0, max: 70 * 96 }).map((quarter) => Math.ceil(start / 900_000) * 900_000 + quarter * 900_000),
)
const record = fc.record({
  endedMs: instant,
  key: fc.constantFrom(0, 1, 2, null),
  route: fc.constantFrom(0, 1, null),
  backend: fc.constantFrom(0, 1, 2),
  cost: fc.constantFrom(null, '0.1', '0.000000000000000017', '12345.678', '0.2', '999999.999999999999'),
})

let database: Database
let records: UsageRecord[]
beforeAll(async () => {
  database = await openTestDatabase()
  records = fc.sample(record, { numRuns: 800, seed: 3 }).map(({ endedMs, key, route, backend, cost }) => ({
    ...usageRecord({ startedAtMs: endedMs - 100 }),
    apiKeyId: key === null ? null : `key_${key}`,
    apiKeyName: key === null ? null : `${endedMs < start + spanMs / 2 ? 'old' : 'new'} ${key}`,
    userId: key === null ? null : `usr_${key % 2}`,
    userName: key === null ? null : `user ${key % 2}`,
    routeId: route === null ? null : `rte_${route}`,
    routeName: route === null ? null : `route ${route}`,
    backendId: backend === 2 ? 'dep_1' : `pmd_${backend}`,
    backendLabel: `backend ${backend}`,
    providerId: backend === 2 ? null : 'prv_1',
    providerName: backend === 2 ? null : 'provider',
    deploymentId: backend === 2 ? 'dep_1' : null,
    deploymentName: backend === 2 ? 'own' : null,
    cost,
  }))
  await insertUsageRecords(database.db, records)
})
afterAll(() => database[Symbol.asyncDispose]())

const subjects: readonly (LimitSubject & { readonly matches: (record: UsageRecord) => boolean })[] = [
  { kind: 'INSTALLATION', matches: () => true },
  { kind: 'USER', id: 'usr_1', matches: ({ userId }) => userId === 'usr_1' },
  { kind: 'API_KEY', id: 'key_2', matches: ({ apiKeyId }) => apiKeyId === 'key_2' },
  { kind: 'ROUTE', id: 'rte_0', matches: ({ routeId }) => routeId === 'rte_0' },
  { kind: 'PROVIDER', id: 'prv_1', matches: ({ providerId }) => providerId === 'prv_1' },
  { kind: 'PROVIDER_MODEL', id: 'pmd_1', matches: ({ backendId }) => backendId === 'pmd_1' },
  { kind: 'DEPLOYMENT', id: 'dep_1', matches: ({ backendId }) => backendId === 'dep_1' },
]

const idOf: Record<LimitDimension, (record: UsageRecord) => string | null> = {
  API_KEY: ({ apiKeyId }) => apiKeyId,
  USER: ({ userId }) => userId,
  ROUTE: ({ routeId }) => routeId,
}

/** The plain sum of the records. */
function sumsOf(matching: readonly UsageRecord[], per: readonly LimitDimension[]): Map<string, string> {
  const sums = new Map<string, string>(per.length === 0 ? [['[]', '0']] : [])
  for (const each of matching) {
    const key = JSON.stringify(per.map((dimension) => idOf[dimension](each)))
    sums.set(key, addDecimals(sums.get(key) ?? '0', each.cost ?? '0'))
  }
  return sums
}

function listInView(...args: Parameters<typeof listSpent> extends [unknown, ...infer Rest] ? Rest : never) {
  return database.db
    .transaction()
    .setIsolationLevel('repeatable read')
    .execute((tx): Promise<SpentAmount[]> => listSpent(tx, ...args))
}

test('what was spent is the sum of the records to the last digit, whatever the range, the subject and the dimensions', async () => {
  const dimensions = fc.shuffledSubarray([...limitDimensions])
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...subjects), dimensions, instant, instant, async (subject, per, a, b) => {
      const range = { from: Math.min(a, b), to: Math.max(a, b) }
      const spent = await listInView({ subject, per }, range)
      const matching = records.filter(
        (each) => subject.matches(each) && endedAtMs(each) >= range.from && endedAtMs(each) < range.to,
      )
      expect(new Map(spent.map(({ ids, cost }) => [JSON.stringify(ids), cost]))).toEqual(sumsOf(matching, per))
      const costs = spent.map(({ cost }) => Number(cost))
      expect(costs).toEqual(costs.toSorted((x, y) => y - x))
    }),
    { numRuns: 150 },
  )
})

test('what parts of a budget have cost is what their groups have, those without a key or a record included', async () => {
  const dimensions = fc.shuffledSubarray([...limitDimensions])
  const values = { API_KEY: ['key_0', 'key_1', 'key_9', '-'], USER: ['usr_0', 'usr_1', '-'], ROUTE: ['rte_0', '-'] }
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...subjects), dimensions, instant, instant, async (subject, per, a, b) => {
      const [periodStartMs, periodEndMs] = [Math.min(a, b), Math.max(a, b)]
      const buckets = per
        .reduce<string[][]>((rows, one) => rows.flatMap((row) => values[one].map((id) => [...row, id])), [[]])
        .map((ids) => ids.join(' '))
      const budget: Budget = { ...anyBudget, subject, per }
      const costs = await spentInBuckets(database.db, { budget, periodStartMs, periodEndMs, buckets })
      const groups = await listInView({ subject, per }, { from: periodStartMs, to: periodEndMs })
      const known = new Map(groups.map(({ ids, cost }) => [ids.map((id) => id ?? '-').join(' '), cost]))
      expect(costs).toEqual(new Map(buckets.map((bucket) => [bucket, known.get(bucket) ?? '0'])))
    }),
    { numRuns: 60 },
  )
})

const anyBudget: Budget = {
  id: 'bud_1',
  revision: 1,
  subject: { kind: 'INSTALLATION' },
  per: [],
  amount: '1',
  period: 'MONTH',
  timeZone: 'UTC',
  warnAt: [],
  onExhausted: 'REFUSE',
  unpricedReserve: null,
  raise: null,
}

test('a group has the names of its last request', async () => {
  const range = { from: start, to: start + 2 * spanMs }
  const spent = await listInView({ subject: { kind: 'INSTALLATION' }, per: ['API_KEY'] }, range)
  const lastNames = new Map(
    records.toSorted((a, b) => endedAtMs(a) - endedAtMs(b)).map(({ apiKeyId, apiKeyName }) => [apiKeyId, apiKeyName]),
  )
  expect(new Map(spent.map(({ ids, labels }) => [ids[0], labels[0]]))).toEqual(lastNames)
})

test('nothing was spent before anything was used: 0 without dimensions, and no group with them', async () => {
  const range = { from: 0, to: start - spanMs }
  expect(await listInView({ subject: { kind: 'INSTALLATION' }, per: [] }, range)).toEqual([
    { ids: [], labels: [], cost: '0' },
  ])
  expect(await listInView({ subject: { kind: 'INSTALLATION' }, per: ['ROUTE'] }, range)).toEqual([])
})
