import { mkdtempSync } from 'node:fs'
import { openEmbeddedPostgres } from '../src/server/embedded-postgres.ts'
import { migrate } from '../src/storage/migrate.ts'
import { openDatabase } from '../src/storage/database.ts'
import { insertUsageRecords } from '../src/storage/usage-insert.ts'
import { usageRecord } from '../test/support/usage-record.ts'
const dataDir = mkdtempSync('/tmp/u/pg-')
await using pg = await openEmbeddedPostgres({ dataDir })
await migrate({ url: pg.url })
await using database = openDatabase({ url: pg.url })
const t0 = Date.UTC(2026, 10, 22, 10, 0, 0)
for (const [label, routes, keys, spreadMs, size] of [
  ['few combos', 5, 10, 60_000, 5000],
  ['few 1000', 5, 10, 60_000, 1000],
  ['few 10000', 5, 10, 60_000, 10000],
  ['many', 100, 1000, 600_000, 5000],
] as const) {
  const batches = Array.from({ length: Math.ceil(60000 / size) }, () =>
    Array.from({ length: size }, () => {
      const r = Math.floor(Math.random() * routes),
        k = Math.floor(Math.random() * keys)
      return usageRecord({
        startedAtMs: t0 + Math.floor(Math.random() * spreadMs),
        routeId: 'rte_' + r,
        routeName: 'r' + r,
        apiKeyId: 'key_' + k,
        apiKeyName: 'k' + k,
        durationMs: Math.exp(Math.random() * 6),
        firstByteMs: Math.exp(Math.random() * 4),
      })
    }),
  )
  const start = performance.now()
  const cpu = process.cpuUsage()
  for (const b of batches) await insertUsageRecords(database.db, b)
  const s = (performance.now() - start) / 1000
  const c = process.cpuUsage(cpu)
  console.log(
    label,
    Math.round(60000 / s),
    'rows/s',
    'js us/row',
    ((c.user + c.system) / 60000).toFixed(2),
    'js of wall',
    ((c.user + c.system) / 1e4 / s).toFixed(0) + '%',
  )
}
const n = await database.db
  .selectFrom('usage_rollup')
  .select((e) => ['layer', e.fn.countAll().as('n')])
  .groupBy('layer')
  .orderBy('layer')
  .execute()
console.log(n)
