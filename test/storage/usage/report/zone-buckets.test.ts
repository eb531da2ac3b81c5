/** Days and months as a time zone has them: their sums are those of their records, whatever the clocks do. */
import * as fc from 'fast-check'
import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Database } from '../../../../src/storage/database/database.ts'
import { insertUsageRecords } from '../../../../src/storage/usage/ledger/insert.ts'
import { getUsageReport, type UsageQuery } from '../../../../src/storage/usage/report/report.ts'
import { openTestDatabase } from '../../../support/database.ts'
import { usageRecord } from '../../../support/usage-record.ts'

const quarterMs = 900_000
/** Two days before clocks change in Berlin and Lord Howe, to two days after. */
const first = Date.UTC(2026, 9, 2)
const last = Date.UTC(2026, 9, 28)
const instants = Array.from({ length: (last - first) / quarterMs }, (_, n) => first + n * quarterMs)

let database: Database
beforeAll(async () => {
  database = await openTestDatabase()
  const records = instants.map((instant) => usageRecord({ startedAtMs: instant, durationMs: 0 }))
  await insertUsageRecords(database.db, records)
})
afterAll(() => database[Symbol.asyncDispose]())

async function rowsOf(query: Partial<UsageQuery> & { timeZone: string }) {
  const whole = { from: new Date(first), to: new Date(last), groupBy: [], limit: 10_000, withPercentiles: false }
  const result = await getUsageReport(database.db, { bucket: 'DAY', ...whole, ...query })
  if (!result.ok) throw new Error(result.refusal.kind)
  const { rows, totals } = result.report
  return { totals, rows: rows.map(({ bucketStart, metrics }) => [bucketStart.toISOString(), metrics.requests]) }
}

test('a day is as long as its clocks say', async () => {
  const { rows } = await rowsOf({ timeZone: 'Europe/Berlin' })
  expect(rows.slice(0, 2)).toEqual([
    ['2026-10-01T22:00:00.000Z', 88],
    ['2026-10-02T22:00:00.000Z', 96],
  ])
  expect(rows.slice(-4)).toEqual([
    ['2026-10-24T22:00:00.000Z', 100],
    ['2026-10-25T23:00:00.000Z', 96],
    ['2026-10-26T23:00:00.000Z', 96],
    ['2026-10-27T23:00:00.000Z', 4],
  ])
  const howe = await rowsOf({ timeZone: 'Australia/Lord_Howe' })
  expect(howe.rows.slice(1, 4)).toEqual([
    ['2026-10-02T13:30:00.000Z', 96],
    ['2026-10-03T13:30:00.000Z', 94],
    ['2026-10-04T13:00:00.000Z', 96],
  ])
})

test('UTC is what it was, months are months, and minutes and hours are those of UTC', async () => {
  const utc = await rowsOf({ timeZone: 'UTC' })
  expect(utc.rows[0]).toEqual(['2026-10-02T00:00:00.000Z', 96])
  const { rows } = await rowsOf({ timeZone: 'Asia/Kolkata', bucket: 'MONTH' })
  expect(rows).toEqual([['2026-09-30T18:30:00.000Z', instants.length]])
  const hours = await rowsOf({ timeZone: 'Asia/Kolkata', bucket: 'HOUR' })
  expect(hours.rows.every(([, requests]) => requests === 4)).toBe(true)
})

test('any range in any zone is the sum of exactly its records, day by day', async () => {
  const edge = fc.integer({ min: first, max: last })
  const zone = fc.constantFrom('Europe/Berlin', 'Asia/Kathmandu', 'America/St_Johns', 'Pacific/Kiritimati', 'Etc/UTC')
  await fc.assert(
    fc.asyncProperty(edge, edge, zone, fc.constantFrom('DAY', 'MONTH'), async (a, b, timeZone, bucket) => {
      const [from, to] = [Math.min(a, b), Math.max(a, b)]
      const inRange = instants.filter((instant) => instant >= from && instant < to)
      const format = new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short' })
      const nameOf = (instant: number) => format.format(instant).slice(0, bucket === 'DAY' ? 10 : 7)
      const { rows, totals } = await rowsOf({ timeZone, bucket, from: new Date(from), to: new Date(to) })
      expect(totals.requests).toBe(inRange.length)
      const days = Map.groupBy(inRange, nameOf)
      expect(rows.map(([start, requests]) => [nameOf(Date.parse(`${start}`)), requests])).toEqual(
        [...days].map(([day, group]) => [day, group.length]),
      )
      for (const [start] of rows) {
        const at = Date.parse(`${start}`)
        expect(nameOf(at - 1)).not.toBe(nameOf(at))
      }
    }),
    { numRuns: 40 },
  )
})

test('what is more than can be told is refused: too many days, and half hours of which there are no minutes', async () => {
  const query = { bucket: 'DAY', groupBy: [], limit: 10 } as const
  const ages = { from: new Date('1900-01-01Z'), to: new Date('2900-01-01Z') }
  expect(await getUsageReport(database.db, { ...query, ...ages, timeZone: 'Europe/Berlin' })).toMatchObject({
    refusal: { kind: 'TOO_MANY_BUCKETS' },
  })
  await sql`update usage_retention set minutes_dropped_until = '2026-10-10Z'`.execute(database.db)
  const range = { from: new Date(first), to: new Date(last) }
  expect(await getUsageReport(database.db, { ...query, ...range, timeZone: 'Asia/Kolkata' })).toMatchObject({
    refusal: { kind: 'MINUTES_DROPPED' },
  })
  expect((await rowsOf({ timeZone: 'Europe/Berlin' })).totals.requests).toBe(instants.length)
})
