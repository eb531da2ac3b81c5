import { cp, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { latencyBin } from '../../../src/routing/usage/latency-sketch.ts'
import { migrate } from '../../../src/storage/database/migrate.ts'
import { getUsageReport } from '../../../src/storage/usage/report/report.ts'
import { openTestDatabase } from '../../support/database.ts'

const migrations = join(import.meta.dirname, '../../../migrations')

async function migrateUpTo(url: string, last: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'migrations-'))
  try {
    for (const name of await readdir(migrations)) if (name < last) await cp(join(migrations, name), join(folder, name))
    await migrate({ url, folder })
  } finally {
    await rm(folder, { recursive: true })
  }
}

test('sums from before sketches were numbers keep their percentiles, and are there by caller', async () => {
  await using database = await openTestDatabase({ migrated: false })
  await migrateUpTo(database.url, '0005')
  const sketch = [99 * 256 + latencyBin(20), 256 + latencyBin(3000)]
  await sql`insert into usage_dimension (key, level, api_key_id, api_key_name, operation, outcome, stream) values
    (md5('a')::uuid, 'FULL', 'key_1', 'app', '/v1/embeddings', 'OK', false),
    (md5('b')::uuid, 'FULL', 'key_1', 'app', '/v1/embeddings', 'OK', true),
    (md5('c')::uuid, 'ALL', null, null, null, null, null)`.execute(database.db)
  await sql`insert into usage_rollup
    select layer, '2026-03-04Z', md5(key)::uuid, 100, 100, 0, 0, 10, 0, 5, 0, 0, 0.5, '{}', ${sketch}::bigint[]
    from (values (2, 'a'), (2, 'b'), (7, 'c')) as row (layer, key)`.execute(database.db)
  expect(await migrate({ url: database.url })).toContain('0005_usage_lines.sql')
  const [from, to] = [new Date('2026-03-04Z'), new Date('2026-03-05Z')]
  for (const groupBy of [['API_KEY'], ['API_KEY', 'OPERATION']] as const) {
    const result = await getUsageReport(database.db, { from, to, bucket: 'DAY', groupBy, limit: 10 })
    const rows = result.ok ? result.report.rows : []
    expect(rows).toMatchObject([
      { group: { apiKeyId: 'key_1' }, metrics: { requests: 200, cost: '1', firstByteMs: null } },
    ])
    const { p50, p99 } = rows[0]!.metrics.durationMs!
    expect([p50 / 20, p99 / 20].every((ratio) => Math.abs(ratio - 1) < 0.05)).toBe(true)
  }
})
