import * as fc from 'fast-check'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { latencyBin, latencyBinCount, percentilesOf } from '../../../../src/routing/usage/latency-sketch.ts'
import {
  matchesUsageFilter,
  type UsageDimension,
  usageBuckets,
  usageDimensions,
} from '../../../../src/routing/usage/filter.ts'
import { endedAtMs, isFailure, type UsageRecord } from '../../../../src/routing/usage/record.ts'
import { requestOutcomes } from '../../../../src/routing/config/vocabulary.ts'
import type { Database } from '../../../../src/storage/database/database.ts'
import { insertUsageRecords } from '../../../../src/storage/usage/ledger/insert.ts'
import { dropUsageMinutes } from '../../../../src/storage/usage/ledger/minutes.ts'
import { maintainUsagePartitions } from '../../../../src/storage/usage/ledger/partitions.ts'
import { getUsageReport, type UsageQuery, type UsageReport } from '../../../../src/storage/usage/report/report.ts'
import { openTestDatabase } from '../../../support/database.ts'
import { usageRecord } from '../../../support/usage-record.ts'

const start = Date.UTC(2025, 11, 30, 22, 17, 5, 250)
const spanMs = 40 * 86_400_000

let database: Database
let records: UsageRecord[]
beforeAll(async () => {
  database = await openTestDatabase()
  records = fc.sample(someRecord, { numRuns: 1500, seed: 7 })
  await insertUsageRecords(database.db, records)
})
afterAll(() => database[Symbol.asyncDispose]())

/** Instants bunch at the edges of buckets, where it matters. */
const someInstant = fc.oneof(
  fc.integer({ min: start, max: start + spanMs }),
  fc.integer({ min: start, max: start + 3 * 3_600_000 }),
  fc
    .tuple(fc.integer({ min: 0, max: 40 * 24 }), fc.integer({ min: -1, max: 1 }))
    .map(([hour, off]) => Math.floor(start / 3_600_000) * 3_600_000 + hour * 3_600_000 + off),
)

const someRecord = fc
  .record({
    endedMs: someInstant,
    durationMs: fc.constantFrom(0.4, 12, 300.75, 61_000),
    route: fc.constantFrom(0, 1, 2, null),
    revision: fc.constantFrom(1, 2),
    key: fc.constantFrom(0, 1, 2, null),
    backend: fc.constantFrom(0, 1, 2, 3),
    outcome: fc.constantFrom(...requestOutcomes),
    stream: fc.boolean(),
    operation: fc.constantFrom('/v1/chat/completions', '/v1/embeddings'),
    tokens: fc.option(fc.integer({ min: 0, max: 100_000 })),
    images: fc.option(fc.nat(4)),
    audioSeconds: fc.option(fc.constantFrom(0.1, 0.2, 8.470001)),
    characters: fc.option(fc.nat(4096)),
    serviceTier: fc.constantFrom(null, 'flex', 'default'),
    cost: fc.option(fc.constantFrom('0.1', '0.000000017', '12.5')),
    provenance: fc.constantFrom('REPORTED' as const, 'ESTIMATED' as const),
    attempts: fc.integer({ min: 0, max: 3 }),
    status: fc.constantFrom(200, 429, 503),
    errorCode: fc.constantFrom(null, 'upstream_timeout', 'rate_limited'),
    requestedModel: fc.constantFrom(null, 'route 0', 'gpt-x'),
  })
  .map(({ endedMs, durationMs, route, revision, key, backend, tokens, attempts, ...rest }) => {
    const template = usageRecord()
    return usageRecord({
      ...rest,
      startedAtMs: endedMs - Math.round(durationMs),
      durationMs,
      firstByteMs: durationMs / 2,
      routeId: route === null ? null : `rte_${route}`,
      routeName: route === null ? null : `route ${route}`,
      routeRevision: route === null ? null : revision,
      targetId: route === null ? null : `tgt_${route}_${backend}`,
      apiKeyId: key === null ? null : `key_${key}`,
      apiKeyName: key === null ? null : `key ${key}`,
      userId: key === null ? null : `usr_${key % 2}`,
      userName: key === null ? null : `user ${key % 2}`,
      backendId: `bck_${backend}`,
      backendLabel: `backend ${backend}`,
      providerId: backend < 2 ? 'prv_1' : null,
      providerName: backend < 2 ? 'provider 1' : null,
      deploymentId: backend < 2 ? null : `bck_${backend}`,
      deploymentName: backend < 2 ? null : `backend ${backend}`,
      tokens:
        tokens === null
          ? null
          : { inputTokens: tokens, cachedInputTokens: 1, cacheWriteTokens: 3, outputTokens: 7, reasoningTokens: 2 },
      provenance: tokens === null ? 'NONE' : rest.provenance,
      attempts: Array.from({ length: attempts }, () => template.attempts[0]!),
    })
  })

const keysOf: Record<UsageDimension, (record: UsageRecord) => unknown> = {
  ROUTE: (record) => record.routeId,
  ROUTE_REVISION: (record) => `${record.routeId} ${record.routeRevision}`,
  TARGET: (record) => record.targetId,
  BACKEND: (record) => record.backendId,
  PROVIDER: (record) => record.providerId,
  DEPLOYMENT: (record) => record.deploymentId,
  API_KEY: (record) => record.apiKeyId,
  USER: (record) => record.userId,
  OPERATION: (record) => record.operation,
  OUTCOME: (record) => record.outcome,
  SERVICE_TIER: (record) => record.serviceTier,
}

function bucketOf(instant: number, query: UsageQuery): number {
  const date = new Date(instant)
  switch (query.bucket) {
    case 'ALL':
      return query.from.getTime()
    case 'MINUTE':
      return date.setUTCSeconds(0, 0)
    case 'HOUR':
      return date.setUTCMinutes(0, 0, 0)
    case 'DAY':
      return date.setUTCHours(0, 0, 0, 0)
    case 'MONTH':
      return Date.UTC(date.getUTCFullYear(), date.getUTCMonth())
  }
}

function expectedMetrics(matching: readonly UsageRecord[]) {
  const sum = (value: (record: UsageRecord) => number) => matching.reduce((total, record) => total + value(record), 0)
  const costs = matching.flatMap((record) => (record.cost === null ? [] : [record.cost]))
  return {
    requests: matching.length,
    attempts: sum((record) => record.attempts.length),
    failures: sum((record) => Number(isFailure(record.outcome))),
    fallbacks: sum((record) => Number(record.outcome === 'OK_BY_FALLBACK')),
    inputTokens: sum((record) => record.tokens?.inputTokens ?? 0),
    cachedInputTokens: sum((record) => record.tokens?.cachedInputTokens ?? 0),
    cacheWriteTokens: sum((record) => record.tokens?.cacheWriteTokens ?? 0),
    outputTokens: sum((record) => record.tokens?.outputTokens ?? 0),
    reasoningTokens: sum((record) => record.tokens?.reasoningTokens ?? 0),
    images: sum((record) => record.images ?? 0),
    audioSeconds: sum((record) => Math.round((record.audioSeconds ?? 0) * 1_000_000)) / 1_000_000,
    characters: sum((record) => record.characters ?? 0),
    estimatedRequests: sum((record) => Number(record.provenance === 'ESTIMATED')),
    cost: costs.length === 0 ? null : addDecimals(costs),
    firstByteMs: expectedPercentiles(matching.map((record) => record.firstByteMs!)),
    durationMs: expectedPercentiles(matching.map((record) => record.durationMs)),
  }
}

function expectedPercentiles(durations: readonly number[]) {
  const counts = new Float64Array(latencyBinCount)
  for (const ms of durations) counts[latencyBin(ms)]!++
  return percentilesOf(counts)
}

/** All that occur here have at most 9 decimals. */
function addDecimals(values: readonly string[]): string {
  const nano = values.reduce((sum, value) => {
    const [whole = '', fraction = ''] = value.split('.')
    return sum + BigInt(whole + fraction.padEnd(9, '0'))
  }, 0n)
  const digits = nano.toString().padStart(10, '0')
  return `${digits.slice(0, -9)}.${digits.slice(-9)}`.replace(/\.?0+$/, '')
}

async function reportOf(query: UsageQuery): Promise<UsageReport> {
  const result = await getUsageReport(database.db, query)
  if (!result.ok) throw new Error(`refused: ${result.refusal.kind}`)
  return result.report
}

const someFilter = fc.record(
  {
    routeIds: fc.subarray(['rte_0', 'rte_1', 'rte_9']),
    targetIds: fc.constant(['tgt_0_0', 'tgt_1_1', 'tgt_2_2']),
    backendIds: fc.constant(['bck_0', 'bck_3']),
    providerIds: fc.constant(['prv_1']),
    deploymentIds: fc.constant(['bck_2']),
    apiKeyIds: fc.constant(['key_0', 'key_1']),
    userIds: fc.constant(['usr_0']),
    outcomes: fc.subarray([...requestOutcomes], { minLength: 1 }),
    stream: fc.boolean(),
    operations: fc.subarray(['/v1/embeddings', '/v1/rerank'], { minLength: 1 }),
    statuses: fc.subarray([200, 503, 404]),
    errorCodes: fc.constant(['upstream_timeout', 'x']),
    requestedModels: fc.constant(['gpt-x', 'y']),
    retried: fc.boolean(),
  },
  { requiredKeys: [] },
)

test('any range, bucket, pair of dimensions and filter is the sum of exactly its records', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.tuple(someInstant, someInstant),
      fc.constantFrom(...usageBuckets),
      fc.subarray([...usageDimensions], { maxLength: 2 }),
      fc.oneof({ weight: 1, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: someFilter }),
      async (instants, bucket, groupBy, filter) => {
        const from = Math.min(...instants)
        // Not more minutes than a report may have.
        const to = Math.min(Math.max(...instants), bucket === 'MINUTE' ? from + 6 * 86_400_000 : Infinity)
        const query = { from: new Date(from), to: new Date(to), bucket, groupBy, filter, limit: 10_000 }
        const matching = records.filter((record) => {
          const ended = endedAtMs(record)
          return ended >= from && ended < to && matchesUsageFilter(record, filter ?? {})
        })
        const groups = Map.groupBy(matching, (record) =>
          JSON.stringify([
            bucketOf(endedAtMs(record), query),
            ...groupBy.map((dimension) => keysOf[dimension](record)),
          ]),
        )
        const report = await reportOf(query)
        expect(report.totals).toMatchObject(expectedMetrics(matching))
        expect(report.truncated).toBe(false)
        const rows = report.rows.map(({ metrics, bucketStart }) => ({ at: bucketStart.getTime(), ...metrics }))
        const expected = [...groups].map(([key, group]) => ({
          at: (JSON.parse(key) as number[])[0]!,
          ...expectedMetrics(group),
        }))
        const order = (a: (typeof rows)[0], b: (typeof rows)[0]) =>
          a.at - b.at ||
          b.inputTokens + b.outputTokens - a.inputTokens - a.outputTokens ||
          JSON.stringify(a).localeCompare(JSON.stringify(b))
        const positions = rows.map((row) => [row.at, row.inputTokens + row.outputTokens])
        expect(positions).toEqual(positions.toSorted((a, b) => a[0]! - b[0]! || b[1]! - a[1]!))
        expect(rows.toSorted(order)).toEqual(expected.toSorted(order))
      },
    ),
    { numRuns: 60 },
  )
})

test('ranges that meet at any instant add up', async () => {
  const all = { bucket: 'ALL', groupBy: [], limit: 1, withPercentiles: false } as const
  await fc.assert(
    fc.asyncProperty(fc.tuple(someInstant, someInstant, someInstant), async (instants) => {
      const [a, b, c] = instants.toSorted((x, y) => x - y).map((instant) => new Date(instant)) as [Date, Date, Date]
      const [left, right, both] = await Promise.all([
        reportOf({ ...all, from: a, to: b }),
        reportOf({ ...all, from: b, to: c }),
        reportOf({ ...all, from: a, to: c }),
      ])
      expect(left.totals.requests + right.totals.requests).toBe(both.totals.requests)
      expect(left.totals.inputTokens + right.totals.inputTokens).toBe(both.totals.inputTokens)
    }),
    { numRuns: 60 },
  )
})

test('percentiles are within 5 % of the true ones, from sums and from the edges of the range', async () => {
  const { from, to } = { from: new Date(start + 61_003), to: new Date(start + spanMs - 59_007) }
  const report = await reportOf({ from, to, bucket: 'ALL', groupBy: ['OPERATION'], limit: 10 })
  for (const row of report.rows) {
    const durations = records
      .filter((record) => record.operation === row.group.operation)
      .filter((record) => endedAtMs(record) >= from.getTime() && endedAtMs(record) < to.getTime())
      .map((record) => record.durationMs)
      .sort((a, b) => a - b)
    for (const [name, quantile] of [
      ['p50', 0.5],
      ['p95', 0.95],
      ['p99', 0.99],
    ] as const) {
      const exact = durations[Math.ceil(quantile * durations.length) - 1]!
      expect(Math.abs(row.metrics.durationMs![name] / exact - 1)).toBeLessThanOrEqual(0.05)
      expect(row.metrics.firstByteMs![name]).toBeGreaterThan(0)
    }
  }
})

test('with more rows than the limit the first are given, and the totals stay those of all', async () => {
  const query = { from: new Date(start), to: new Date(start + spanMs), bucket: 'DAY', groupBy: ['ROUTE'] } as const
  const all = await reportOf({ ...query, limit: 1000 })
  const some = await reportOf({ ...query, limit: 5 })
  expect(some.truncated).toBe(true)
  expect(some.rows).toEqual(all.rows.slice(0, 5))
  expect(some.totals).toEqual(all.totals)
})

test('more than 10,000 buckets and a reversed range are refused', async () => {
  const year = { from: new Date(Date.UTC(2025, 0)), to: new Date(Date.UTC(2026, 0)), groupBy: [], limit: 1 }
  expect(await getUsageReport(database.db, { ...year, bucket: 'MINUTE' })).toEqual({
    ok: false,
    refusal: { kind: 'TOO_MANY_BUCKETS', buckets: 525_600, maxBuckets: 10_000 },
  })
  expect(await getUsageReport(database.db, { ...year, from: year.to, to: year.from, bucket: 'ALL' })).toMatchObject({
    ok: false,
    refusal: { kind: 'RANGE_REVERSED' },
  })
})

describe('names', () => {
  test('are those of the time: before and after a renaming', async () => {
    const day = Date.UTC(2024, 5, 1)
    await insertUsageRecords(database.db, [usageRecord({ startedAtMs: day, routeName: 'old' })])
    await insertUsageRecords(database.db, [usageRecord({ startedAtMs: day + 86_400_000, routeName: 'new' })])
    const query = {
      from: new Date(day),
      to: new Date(day + 2 * 86_400_000),
      groupBy: ['ROUTE', 'OUTCOME'],
      limit: 9,
    } as const
    const byDay = await reportOf({ ...query, bucket: 'DAY' })
    expect(byDay.rows.map((row) => row.group.labels)).toEqual([
      ['old', 'OK'],
      ['new', 'OK'],
    ])
    const all = await reportOf({ ...query, bucket: 'ALL' })
    expect(all.rows.map((row) => [row.group.labels, row.metrics.requests])).toEqual([[['new', 'OK'], 2]])
    expect(all.rows[0]!.group).toMatchObject({ routeId: 'rte_1', outcome: 'OK', apiKeyId: null, operation: null })
  })

  const minuteMs = 60_000
  const dayMs = 86_400_000

  /** The label of `rte_1` in `[from, to)`, after requests under these names, one a minute, each in a batch of its own. */
  async function labelAfter(from: number, names: readonly string[], to: number): Promise<readonly string[]> {
    for (const [index, routeName] of names.entries())
      await insertUsageRecords(database.db, [usageRecord({ startedAtMs: from + index * minuteMs, routeName })])
    const query = { from: new Date(from), to: new Date(to), groupBy: ['ROUTE'], bucket: 'ALL', limit: 9 } as const
    return (await reportOf(query)).rows.map((row) => row.group.labels[0]!)
  }

  test.each([
    ['minutes', Date.UTC(2024, 5, 10) + 90_000, Date.UTC(2024, 5, 10) + 30 * minuteMs],
    ['a day', Date.UTC(2024, 5, 11), Date.UTC(2024, 5, 12)],
    ['a month', Date.UTC(2024, 6, 1), Date.UTC(2024, 7, 1)],
  ])(
    'are those of the last request within %s: an object may have had the same name before',
    async (_what, from, to) => {
      const names = ['chat', 'chat', 'chat-old', 'chat-old', ...Array.from({ length: 20 }, () => 'chat')]
      expect(await labelAfter(from, names, to)).toEqual(['chat'])
    },
  )

  test('of a range that ends earlier are those that the object had by then', async () => {
    const day = Date.UTC(2024, 7, 10)
    expect(await labelAfter(day, ['chat', 'chat-old'], day + dayMs)).toEqual(['chat-old'])
    expect(await labelAfter(day + dayMs, ['chat'], day + 2 * dayMs)).toEqual(['chat'])
    expect(await labelAfter(day, [], day + dayMs)).toEqual(['chat-old'])
    expect(await labelAfter(day, [], day + minuteMs)).toEqual(['chat'])
  })

  test('do not depend on the order in which records arrive', async () => {
    const day = Date.UTC(2024, 8, 1)
    await insertUsageRecords(database.db, [usageRecord({ startedAtMs: day + minuteMs, routeName: 'late' })])
    await insertUsageRecords(database.db, [usageRecord({ startedAtMs: day, routeName: 'early' })])
    expect(await labelAfter(day, [], day + dayMs)).toEqual(['late'])
  })
})

test('after retention dropped the records, ranges still add up to what was there', async () => {
  await using own = await openTestDatabase()
  await insertUsageRecords(own.db, records)
  const now = start + spanMs
  const dropped = await maintainUsagePartitions(own.db, 30, now)
  expect(dropped.length).toBeGreaterThan(5)
  expect(dropped).toContain('usage_record_2025_12_31')
  const count = async (from: number, to: number) => {
    const query = { from: new Date(from), to: new Date(to), bucket: 'ALL', groupBy: [], limit: 1 } as const
    const result = await getUsageReport(own.db, query)
    return result.ok ? result.report.totals.requests : -1
  }
  const middle = start + 3_723_456
  expect((await count(start - 3_600_000, middle)) + (await count(middle, now + 1))).toBe(records.length)
  expect(await maintainUsagePartitions(own.db, 30, now)).toEqual([])
  const kept = await sql<{ n: number }>`select count(*) as n from usage_record`.execute(own.db)
  expect(kept.rows[0]!.n).toBeLessThan(records.length)
})

test('what only records know is refused for a range whose records were dropped, and operations are not', async () => {
  await using other = await openTestDatabase()
  await insertUsageRecords(other.db, [usageRecord({ startedAtMs: start, operation: '/v1/embeddings' })])
  await sql`update usage_retention set dropped_until = ${new Date(start + 86_400_000)}`.execute(other.db)
  const query = {
    from: new Date(start - 60_000),
    to: new Date(start + spanMs),
    bucket: 'ALL',
    groupBy: [],
    limit: 1,
  } as const
  for (const filter of [{ statuses: [200] }, { errorCodes: ['x'] }, { requestedModels: ['x'] }, { retried: false }])
    expect(await getUsageReport(other.db, { ...query, filter })).toEqual({
      ok: false,
      refusal: { kind: 'RECORDS_DROPPED', keptFrom: new Date(start + 86_400_000) },
    })
  const answered = await getUsageReport(other.db, { ...query, filter: { operations: ['/v1/embeddings'] } })
  expect(answered).toMatchObject({ ok: true, report: { totals: { requests: 1 } } })
  const later = { ...query, from: new Date(start + 86_400_000), filter: { retried: true } }
  expect(await getUsageReport(other.db, later)).toMatchObject({ ok: true, report: { totals: { requests: 0 } } })
})

describe('after the sums by minute were dropped', () => {
  const dayMs = 86_400_000
  const end = start + spanMs + 1
  const keptFrom = Date.UTC(2026, 0, 10)
  let own: Database
  beforeAll(async () => {
    own = await openTestDatabase()
    await insertUsageRecords(own.db, records)
    await maintainUsagePartitions(own.db, 85, keptFrom + 90 * dayMs + 5)
    await dropUsageMinutes(own.db, 30, keptFrom + 90 * dayMs + 5)
  })
  afterAll(() => own[Symbol.asyncDispose]())

  const totalOf = async (from: number, to: number) => {
    const query = { from: new Date(from), to: new Date(to), bucket: 'ALL', groupBy: [], limit: 1 } as const
    const result = await getUsageReport(own.db, query)
    return result.ok ? result.report.totals : null
  }

  test('whole hours, days and months are exact as before, and ranges that meet anywhere add up', async () => {
    const exact = (from: number, to: number) =>
      records.filter((record) => endedAtMs(record) >= from && endedAtMs(record) < to).length
    // The first records end just before the hour.
    const hour = Math.floor(start / 3_600_000) * 3_600_000 - 3_600_000
    const instants = [hour, hour + 3_600_000, hour + 7_200_000, hour + dayMs, keptFrom, end]
    for (const [i, from] of instants.entries())
      for (const to of instants.slice(i + 1)) expect((await totalOf(from, to))?.requests).toBe(exact(from, to))
    for (const middle of [hour + 1, hour + 59 * 60_000, hour + 5_432_100, keptFrom - 1, keptFrom + 12_345_678]) {
      const [before, after] = [await totalOf(hour, middle), await totalOf(middle, end)]
      expect(before!.requests + after!.requests).toBe(records.length)
      expect(before!.inputTokens + after!.inputTokens).toBe((await totalOf(hour, end))!.inputTokens)
    }
  })

  test('a report by minute that begins before is refused, and says from where on it is not', async () => {
    const { rows } = await sql<{ n: number }>`
      select count(*) as n from usage_rollup where layer = 0 and bucket < ${new Date(keptFrom)}`.execute(own.db)
    expect(rows).toEqual([{ n: 0 }])
    const query = { to: new Date(keptFrom + 3_600_000), bucket: 'MINUTE', groupBy: [], limit: 10_000 } as const
    expect(await getUsageReport(own.db, { ...query, from: new Date(keptFrom - 1) })).toEqual({
      ok: false,
      refusal: { kind: 'MINUTES_DROPPED', keptFrom: new Date(keptFrom) },
    })
    const result = await getUsageReport(own.db, { ...query, from: new Date(keptFrom), to: new Date(keptFrom + dayMs) })
    const ofDay = records.filter((record) => Math.floor(endedAtMs(record) / dayMs) === keptFrom / dayMs).length
    expect(result.ok && result.report.rows.reduce((sum, { metrics }) => sum + metrics.requests, 0)).toBe(ofDay)
  })

  test('a record that comes late counts in them, and its minute goes with the next call', async () => {
    const before = await totalOf(start - dayMs, end)
    await insertUsageRecords(own.db, [usageRecord({ startedAtMs: start })])
    expect((await totalOf(start - dayMs, end))?.requests).toBe(before!.requests + 1)
    expect(await dropUsageMinutes(own.db, 30, keptFrom + 90 * dayMs)).toBe(1)
    expect((await totalOf(start - dayMs, end))?.requests).toBe(before!.requests + 1)
  })

  test('they are kept as long as the records, if those are kept for longer, and a clock that is ahead drops none', async () => {
    expect(await dropUsageMinutes(own.db, 100, keptFrom + 100 * dayMs)).toBe(0)
    await insertUsageRecords(own.db, [usageRecord({ startedAtMs: Date.now() })])
    await dropUsageMinutes(own.db, 30, Date.now() + 4_000 * dayMs)
    const { rows } = await sql<{ n: number }>`select count(*) as n from usage_rollup where layer = 0`.execute(own.db)
    expect(rows[0]!.n).toBe(1)
  })
})
