import * as fc from 'fast-check'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type AttemptRecord, endedAtMs, type UsageRecord } from '../../../../src/routing/usage/record.ts'
import { fallbackTriggers, requestOutcomes } from '../../../../src/routing/config/vocabulary.ts'
import type { Database } from '../../../../src/storage/database/database.ts'
import { listRequestLogsByIds } from '../../../../src/storage/usage/request-log.ts'
import { createUsageEncoder, endOfLineMs } from '../../../../src/storage/usage/ledger/encoder.ts'
import { insertUsageRecords } from '../../../../src/storage/usage/ledger/insert.ts'
import { openTestDatabase } from '../../../support/database.ts'
import { usageRecord } from '../../../support/usage-record.ts'

const firstDay = Date.UTC(2026, 10, 20)

/** What means something in JSON, in composite values or in arrays; what cannot be stored; and what needs several bytes. */
const awkward = fc.string({
  unit: fc.constantFrom(
    ...'"\\,(){}[]:\n\t \'aé漢'.split(''),
    '😀',
    '\0',
    '\ud800',
    '\udfff',
    'NULL',
    'null',
    String.raw`\"`,
  ),
  maxLength: 12,
})
const text = fc.oneof(fc.constantFrom('a', 'b', ''), awkward, fc.string({ unit: 'binary', maxLength: 12 }))
const name = fc.oneof(text, fc.constant(null))
const ms = fc.oneof(
  fc.double({ min: 0, max: 1e8, noNaN: true }),
  fc.integer({ min: 0, max: 5000 }),
  fc.constant(0.4999996),
)
const count = fc.oneof(fc.nat(3), fc.nat(2 ** 45))

const attempt: fc.Arbitrary<AttemptRecord> = fc.record({
  targetId: name,
  backendId: text,
  backendLabel: text,
  endpointId: name,
  endpointUrl: name,
  isFallback: fc.boolean(),
  status: fc.option(fc.integer({ min: 100, max: 599 })),
  trigger: fc.option(fc.constantFrom(...fallbackTriggers)),
  durationMs: ms,
  credentialHint: name,
  error: name,
  upstreamRequestId: name,
})

const someRecord: fc.Arbitrary<UsageRecord> = fc
  .record({
    startedAtMs: fc.integer({ min: firstDay, max: firstDay + 2 * 86_400_000 }),
    operation: text,
    stream: fc.boolean(),
    requestedModel: name,
    routeId: name,
    routeName: name,
    routeRevision: fc.option(fc.nat(2)),
    apiKeyId: name,
    apiKeyName: name,
    userId: name,
    userName: name,
    targetId: name,
    backendId: name,
    backendLabel: name,
    providerId: name,
    providerName: name,
    deploymentId: name,
    deploymentName: name,
    outcome: fc.constantFrom(...requestOutcomes),
    status: fc.integer({ min: 100, max: 599 }),
    errorCode: name,
    attempts: fc.array(attempt, { maxLength: 3 }),
    provenance: fc.constantFrom('REPORTED' as const, 'ESTIMATED' as const, 'NONE' as const),
    tokens: fc.option(
      fc.record({
        inputTokens: count,
        cachedInputTokens: count,
        cacheWriteTokens: count,
        outputTokens: count,
        reasoningTokens: count,
      }),
    ),
    images: fc.option(count),
    audioSeconds: fc.option(fc.nat(2 ** 45).map((micros) => micros / 1_000_000)),
    characters: fc.option(count),
    serviceTier: name,
    cost: fc.option(fc.tuple(fc.nat(), fc.nat()).map(([whole, fraction]) => `${whole}.${fraction}`)),
    firstByteMs: fc.option(ms),
    durationMs: ms,
    overheadMs: ms,
  })
  .map((overrides) => usageRecord(overrides))

let database: Database
beforeAll(async () => void (database = await openTestDatabase()))
afterAll(() => database[Symbol.asyncDispose]())

function toMicros(milliseconds: number): number {
  return Math.round(milliseconds * 1000) / 1000
}

/** What is read back of a record: without what cannot be stored, and times to the microsecond. */
function asStored(record: UsageRecord): UsageRecord {
  const entries = Object.entries(record).map(([key, value]: [string, unknown]) => [
    key,
    typeof value === 'string' ? value.toWellFormed().replaceAll('\0', '\ufffd') : value,
  ])
  const { attempts } = record
  return {
    ...(Object.fromEntries(entries) as UsageRecord),
    attempts: attempts.length === 1 ? [{ ...attempts[0]!, durationMs: toMicros(attempts[0]!.durationMs) }] : attempts,
    firstByteMs: record.firstByteMs === null ? null : toMicros(record.firstByteMs),
    durationMs: toMicros(record.durationMs),
    overheadMs: toMicros(record.overheadMs),
  }
}

test('whatever a record holds, it is stored, and read back it is the same', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(someRecord, { minLength: 1, maxLength: 30 }), async (records) => {
      expect(await insertUsageRecords(database.db, records)).toBe(records.length)
      const ids = records.map(({ id }) => id)
      const read = new Map((await listRequestLogsByIds(database.db, ids)).map((record) => [record.id, record]))
      for (const record of records) expect(read.get(record.id)).toEqual(asStored(record))
      const { rows } = await sql<{ id: string; ended_at: Date }>`
        select id, ended_at from usage_record where id = any(${ids}::text[])`.execute(database.db)
      const ends = new Map(rows.map((row) => [row.id, row.ended_at.getTime()]))
      for (const record of records) expect(ends.get(record.id)).toBe(endedAtMs(record))
    }),
    { numRuns: 60 },
  )
}, 60_000)

describe('an encoder', () => {
  test('gives records about the same the same about, and others another', () => {
    const encoder = createUsageEncoder()
    const record = usageRecord()
    const { about } = encoder.encode(record)
    expect(
      encoder.encode(usageRecord({ durationMs: 7, tokens: null, cost: null, images: 2, startedAtMs: firstDay })).about,
    ).toBe(about)
    const [attempt] = record.attempts
    const others: Partial<UsageRecord>[] = [
      { operation: 'x' },
      { stream: true },
      { routeId: 'x' },
      { routeName: 'x' },
      { routeRevision: 2 },
      { apiKeyId: 'x' },
      { apiKeyName: 'x' },
      { userId: 'x' },
      { userName: 'x' },
      { targetId: 'x' },
      { backendId: 'x' },
      { backendLabel: 'x' },
      { providerId: 'x' },
      { providerName: 'x' },
      { deploymentId: 'x' },
      { deploymentName: 'x' },
      { outcome: 'TRUNCATED' },
      { status: 201 },
      { errorCode: 'x' },
      { provenance: 'ESTIMATED' },
      { serviceTier: 'flex' },
      { attempts: [] },
      { attempts: [attempt!, attempt!] },
      { attempts: [{ ...attempt!, targetId: 'x' }] },
      { attempts: [{ ...attempt!, backendId: 'x' }] },
      { attempts: [{ ...attempt!, backendLabel: 'x' }] },
      { attempts: [{ ...attempt!, endpointId: 'x' }] },
      { attempts: [{ ...attempt!, endpointUrl: 'x' }] },
      { attempts: [{ ...attempt!, credentialHint: 'x' }] },
      { attempts: [{ ...attempt!, isFallback: true }] },
      { attempts: [{ ...attempt!, status: 201 }] },
      { attempts: [{ ...attempt!, trigger: 'TIMEOUT' }] },
    ]
    const abouts = others.map((overrides) => encoder.encode(usageRecord(overrides)).about)
    expect(new Set([about, ...abouts]).size).toBe(others.length + 1)
    const said = { error: 'overloaded', upstreamRequestId: 'req-7' }
    expect(encoder.encode(usageRecord({ attempts: [{ ...attempt!, ...said }] })).about).toBe(about)
    for (const [index, overrides] of others.entries()) {
      expect(encoder.encode(usageRecord(overrides)).about).toBe(abouts[index])
    }
  })

  test('forgets when there are too many, and gives no number twice', () => {
    const encoder = createUsageEncoder()
    const abouts = new Set(
      Array.from({ length: 30_500 }, (_, n) => encoder.encode(usageRecord({ apiKeyId: `key_${n}` })).about),
    )
    expect(abouts.has(encoder.encode(usageRecord({ apiKeyId: 'key_30499' })).about)).toBe(true)
    abouts.add(encoder.encode(usageRecord({ apiKeyId: 'key_0' })).about)
    expect(abouts.size).toBe(30_501)
    expect(new Set([...abouts].map(({ number }) => number)).size).toBe(30_501)
  })

  test('says in a line when the request ended', () => {
    const encoder = createUsageEncoder()
    fc.assert(
      fc.property(someRecord, (record) => {
        expect(endOfLineMs(encoder.encode(record).line)).toBe(endedAtMs(record))
      }),
    )
  })
})
