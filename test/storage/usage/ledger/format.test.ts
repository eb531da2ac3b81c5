/** Lines of usage that the version before wrote, and which may still wait on a disk: `usage-before-prices.jsonl` is its own output. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { UsageRecord } from '../../../../src/routing/usage/record.ts'
import type { Database } from '../../../../src/storage/database/database.ts'
import { listRequestLogsByIds } from '../../../../src/storage/usage/request-log.ts'
import { createUsageEncoder } from '../../../../src/storage/usage/ledger/encoder.ts'
import { insertUsageEntries } from '../../../../src/storage/usage/ledger/insert.ts'
import { getUsageReport } from '../../../../src/storage/usage/report/report.ts'
import { openTestDatabase } from '../../../support/database.ts'
import { usageRecord } from '../../../support/usage-record.ts'

let database: Database
beforeAll(async () => void (database = await openTestDatabase()))
afterAll(() => database[Symbol.asyncDispose]())

const fixture = join(import.meta.dirname, '../../../fixtures/usage-before-prices.jsonl')
const older = readFileSync(fixture, 'utf8')
  .trim()
  .split('\n')
  .map((text) => JSON.parse(text) as { about: string; line: string })
  .map(({ about, line }, number) => ({ about: { number, text: about }, line }))
const idOf = (n: number) => `req_01kagq9xzb000000000000000${n}`

function reported(overrides: Partial<UsageRecord> = {}): UsageRecord {
  return usageRecord({
    tokens: { inputTokens: 10, cachedInputTokens: 4, cacheWriteTokens: 0, outputTokens: 5, reasoningTokens: 2 },
    ...overrides,
  })
}

test('what the version before wrote down is stored as it was, beside what this one writes', async () => {
  const encoder = createUsageEncoder()
  // Numbers are of one encoder: these are beyond those of the file.
  for (let n = 0; n < older.length; n++) encoder.encode(usageRecord({ apiKeyId: `key_${n}x` }))
  const current = reported({ images: 2, audioSeconds: 1.5, characters: 9 })
  expect(await insertUsageEntries(database.db, [...older, encoder.encode(current)])).toBe(5)
  const ids = [...older.map((_, n) => idOf(n + 1)), current.id]
  const stored = new Map((await listRequestLogsByIds(database.db, ids)).map((record) => [record.id, record]))
  const [attempt] = current.attempts
  expect(ids.map((id) => stored.get(id))).toEqual([
    reported({ id: ids[0]! }),
    reported({
      id: ids[1]!,
      tokens: null,
      cost: null,
      provenance: 'NONE',
      requestedModel: String.raw`say "hi", \ (x)`,
      routeName: null,
      routeId: null,
      attempts: [],
      outcome: 'DENIED',
      status: 404,
      errorCode: 'model_not_found',
      firstByteMs: null,
    }),
    reported({
      id: ids[2]!,
      attempts: [
        { ...attempt!, trigger: 'TIMEOUT' },
        { ...attempt!, error: 'no, "never"' },
      ],
    }),
    reported({
      id: ids[3]!,
      requestedModel: ',2)',
      attempts: [{ ...attempt!, error: 'x)', upstreamRequestId: 'u,2)' }],
    }),
    current,
  ])
})

test('both versions add to the same sums, and each of its own counts', async () => {
  const query = { from: new Date('2026-11-01Z'), to: new Date('2026-12-01Z'), bucket: 'ALL', limit: 10 } as const
  const result = await getUsageReport(database.db, { ...query, groupBy: ['OUTCOME', 'SERVICE_TIER'] })
  const rows = result.ok ? result.report.rows : []
  expect(rows).toMatchObject([
    {
      group: { labels: ['OK', ''], serviceTier: null },
      metrics: { requests: 4, inputTokens: 40, cacheWriteTokens: 0, images: 2, audioSeconds: 1.5, characters: 9 },
    },
    { group: { labels: ['DENIED', ''] }, metrics: { requests: 1, images: 0 } },
  ])
  const dimensions = await database.db
    .selectFrom('usage_dimension')
    .where('level', '=', 'FULL')
    .where('outcome', '=', 'OK')
    .select('key')
    .execute()
  expect(dimensions).toHaveLength(1)
})
