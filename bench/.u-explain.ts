import { mkdtempSync } from 'node:fs'
import { openEmbeddedPostgres } from '../src/server/embedded-postgres.ts'
import { migrate } from '../src/storage/migrate.ts'
import { openDatabase } from '../src/storage/database.ts'
import { insertUsageRecords } from '../src/storage/usage-insert.ts'
import { usageRecord } from '../test/support/usage-record.ts'
import pg from 'pg'
const dataDir = mkdtempSync('/tmp/u/pg-')
await using server = await openEmbeddedPostgres({ dataDir })
await migrate({ url: server.url })
await using database = openDatabase({ url: server.url })
const t0 = Date.UTC(2026, 10, 22, 10, 0, 0)
const [routes, keys, spreadMs, size] =
  process.argv[2] === 'many' ? ([100, 1000, 600_000, 5000] as const) : ([5, 10, 60_000, 5000] as const)
const batch = () =>
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
  })
for (let i = 0; i < 4; i++) await insertUsageRecords(database.db, batch())
const query = pg.Client.prototype.query as any
;(pg.Client.prototype as any).query = function (text: any, values: any, ...rest: any[]) {
  if (typeof text === 'string' && text.includes('WITH dimension')) {
    const self = this
    return query.call(self, 'explain (analyze, timing on) ' + text, values).then((r: any) => {
      console.log(r.rows.map((x: any) => x['QUERY PLAN']).join('\n'))
      return { ...r, rows: [{ inserted: 0 }] }
    })
  }
  return query.call(this, text, values, ...rest)
}
await insertUsageRecords(database.db, batch())
