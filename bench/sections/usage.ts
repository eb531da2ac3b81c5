/** Reports of a year, through the API. */
import { startProduct } from '../../test/support/product.ts'
import { serverCore } from '../cpu.ts'
import { openBenchDatabase } from '../database.ts'
import type { Row } from '../row.ts'
import { seedConfiguration } from '../seed.ts'
import { seedUsage } from '../seed-usage.ts'
import { median } from '../statistics.ts'
import type { Bench, Section } from './section.ts'

const sums = 'requests inputTokens outputTokens cost'
const percentiles = 'firstByteMs { p50 p95 p99 } durationMs { p50 p95 p99 }'

function reportOf(metrics: string): string {
  return `query ($range: TimeRangeInput!, $filter: UsageFilterInput, $groupBy: [UsageDimension!]!) {
    usage(range: $range, bucket: DAY, groupBy: $groupBy, filter: $filter, limit: 10000) {
      truncated
      totals { ${metrics} }
      rows { bucketStart group { labels } metrics { ${metrics} } }
    }
  }`
}

interface Answer {
  readonly usage: { readonly totals: { readonly requests: number }; readonly rows: unknown[] }
}

export const usageSection: Section = {
  name: 'usage',
  about: 'reports of a year from the roll-ups of 10 and of 100 million requests',
  run: async (bench: Bench): Promise<Row[]> => {
    const rows: Row[] = []
    for (const millions of [10, 100]) {
      await using database = await openBenchDatabase()
      const upstreamPort = bench.upstreams.ports.small
      await seedConfiguration(database.url, { routes: 10, deployments: 10, apiKeys: 10, upstreamPort })
      const seed = await seedUsage(database.url, millions * 1e6)
      await using product = await startProduct({ wrapper: serverCore, env: database.env })
      const range = { from: seed.from.toISOString(), to: seed.to.toISOString() }
      const timesMs = async (filter: object | null, groupBy: string[], metrics = sums) => {
        const report = reportOf(metrics)
        const durations: number[] = []
        let rowCount = 0
        for (let i = 0; i < (bench.isQuick ? 5 : 15); i++) {
          const startedAtMs = performance.now()
          const { usage } = await product.graphql.request<Answer>(report, { range, filter, groupBy })
          durations.push(performance.now() - startedAtMs)
          rowCount = usage.rows.length
        }
        if (rowCount === 0) throw new Error('the report is empty')
        return { ms: median(durations), rowCount }
      }
      const byRoute = await timesMs(null, ['ROUTE'])
      const withPercentiles = await timesMs(null, ['ROUTE'], `${sums} ${percentiles}`)
      const byKey = await timesMs(null, ['API_KEY'], `${sums} ${percentiles}`)
      const ofOneKey = await timesMs({ apiKeyIds: [seed.keyIds[0]] }, [])
      const what = `usage of a year, ${millions} million requests`
      rows.push(
        {
          what: `${what}: by day and route, ${byRoute.rowCount} rows`,
          unit: 'ms',
          values: { signalbox: byRoute.ms },
          result: byRoute.ms,
          resultUnit: 'ms',
          goal: { atMost: 100 },
        },
        {
          what: `${what}: by day and route with percentiles, ${withPercentiles.rowCount} rows`,
          unit: 'ms',
          values: { signalbox: withPercentiles.ms },
          result: withPercentiles.ms,
          resultUnit: 'ms',
          goal: { atMost: 100 },
        },
        {
          what: `${what}: by day and key with percentiles, ${byKey.rowCount} rows`,
          unit: 'ms',
          values: { signalbox: byKey.ms },
        },
        {
          what: `${what}: by day, one key of 8, ${ofOneKey.rowCount} rows`,
          unit: 'ms',
          values: { signalbox: ofOneKey.ms },
        },
      )
    }
    return rows
  },
}
