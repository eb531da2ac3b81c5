/** A year of usage by day and route over 100 million requests, from sums that are laid out here as the insert would have. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { openEmbeddedPostgres } from '../src/server/embedded-postgres.ts'
import { openDatabase } from '../src/storage/database.ts'
import { migrate } from '../src/storage/migrate.ts'
import { getUsageReport, type UsageQuery } from '../src/storage/usage-report.ts'

const routes = Number(process.argv[2] ?? 100)
const keys = 20
const days = 365
const requestsPerRow = Math.round(100e6 / (days * routes))

const dataDir = await mkdtemp(join(tmpdir(), 'signalbox-bench-'))
await using cleanUp = { [Symbol.asyncDispose]: () => rm(dataDir, { recursive: true, force: true }) }
void cleanUp
await using postgres = await openEmbeddedPostgres({ dataDir })
await migrate({ url: postgres.url })
await using database = openDatabase({ url: postgres.url })
const { db } = database

const sketch = (count: string) => `(select array_agg((${count} / 40) * 256 + bin) from generate_series(80, 119) as bin)`
const layers = [
  { layer: 6, level: 'ROUTE', callers: 1 },
  { layer: 8, level: 'ROUTE', callers: 1, months: true },
  { layer: 5, level: 'SERVICE', callers: 1 },
  { layer: 7, level: 'ALL', callers: 1 },
  { layer: 2, level: 'FULL', callers: keys },
]
for (const { layer, level, callers, months } of layers) {
  const count = Math.round((requestsPerRow * (level === 'ALL' ? routes : 1) * (months ? days / 12 : 1)) / callers)
  await sql
    .raw(
      `insert into usage_dimension (key, level, route_id, route_name, api_key_id, api_key_name, outcome)
       select md5('${level}' || r || '-' || k)::uuid, '${level}', 'rte_' || r, 'route ' || r, 'key_' || k, 'key ' || k, 'OK'
       from generate_series(1, ${level === 'ALL' ? 1 : routes}) as r, generate_series(1, ${callers}) as k
       on conflict do nothing`,
    )
    .execute(db)
  await sql
    .raw(
      `insert into usage_rollup
       select ${layer}, timestamptz '2025-01-01Z' + d * interval '1 ${months ? 'month' : 'day'}', key, ${count}, ${count}, 0, 0, ${count * 500}, 0,
         ${count * 200}, 0, 0, 12.345678901, ${sketch(String(count))}, ${sketch(String(count))}
       from generate_series(0, ${months ? 11 : days - 1}) as d, usage_dimension where level = '${level}'`,
    )
    .execute(db)
}
await sql`vacuum analyze`.execute(db)

const year = { from: new Date('2025-01-01Z'), to: new Date('2026-01-01Z'), limit: 1000 }
const queries: Record<string, UsageQuery> = {
  'by day and route': { ...year, bucket: 'DAY', groupBy: ['ROUTE'] },
  'by day and route, without percentiles': { ...year, bucket: 'DAY', groupBy: ['ROUTE'], withPercentiles: false },
  'by day and route, all rows': { ...year, bucket: 'DAY', groupBy: ['ROUTE'], limit: 100_000, withPercentiles: false },
  'by day, one route': { ...year, bucket: 'DAY', groupBy: ['ROUTE'], filter: { routeIds: ['rte_7'] } },
  'by month and route': { ...year, bucket: 'MONTH', groupBy: ['ROUTE'] },
  'by route': { ...year, bucket: 'ALL', groupBy: ['ROUTE'] },
  'by day and outcome': { ...year, bucket: 'DAY', groupBy: ['OUTCOME'] },
  'by day and key': { ...year, bucket: 'DAY', groupBy: ['API_KEY'] },
}
for (const [name, query] of Object.entries(queries)) {
  const times: number[] = []
  let requests = 0
  for (let round = 0; round < 7; round++) {
    const begin = performance.now()
    const result = await getUsageReport(db, query)
    times.push(performance.now() - begin)
    if (result.ok) requests = result.report.totals.requests
  }
  const median = times.toSorted((a, b) => a - b)[3]!
  console.log(`${name}: ${median.toFixed(1)} ms over ${requests.toLocaleString('en')} requests`)
}
