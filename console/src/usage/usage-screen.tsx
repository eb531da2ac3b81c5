import { lazy, Suspense, useMemo } from 'react'
import { useQuery } from 'urql'
import { useSearchParams } from 'wouter'
import { graphql, type ResultOf } from '../api/graphql.ts'
import { BudgetsPanel } from '../limits/budgets-panel.tsx'
import { Figure } from '../ui/figure.tsx'
import { count, milliseconds, money, words } from '../ui/figures.ts'
import { Source } from '../ui/source.tsx'
import { Empty, Loaded } from '../ui/state.tsx'
import { Ago } from '../ui/time.tsx'
import { saveText, toCsv } from './csv.ts'

const Plot = lazy(() => import('../ui/plot.tsx').then((module) => ({ default: module.Plot })))

const Usage = graphql(`
  query Usage($from: DateTime!, $bucket: UsageBucket!, $by: [UsageDimension!]!) {
    byTime: usage(range: { from: $from }, bucket: $bucket, groupBy: $by, limit: 10000) {
      from
      to
      completeUntil
      lostRequests
      truncated
      totals {
        requests
        failures
        fallbacks
        inputTokens
        outputTokens
        cost
        firstByteMs {
          p95
        }
      }
      rows {
        bucketStart
        group {
          labels
        }
        metrics {
          requests
          failures
          inputTokens
          outputTokens
          cost
        }
      }
    }
    byGroup: usage(range: { from: $from }, groupBy: $by) {
      rows {
        group {
          labels
        }
        metrics {
          requests
          failures
          fallbacks
          inputTokens
          cachedInputTokens
          outputTokens
          estimatedRequests
          cost
        }
      }
    }
  }
`)

type UsageData = ResultOf<typeof Usage>

const hourMs = 3_600_000
const ranges = {
  hour: { name: 'Last hour', lengthMs: hourMs, bucket: 'MINUTE', stepMs: 60_000 },
  day: { name: 'Last 24 hours', lengthMs: 24 * hourMs, bucket: 'HOUR', stepMs: hourMs },
  week: { name: 'Last 7 days', lengthMs: 7 * 24 * hourMs, bucket: 'HOUR', stepMs: hourMs },
  month: { name: 'Last 30 days', lengthMs: 30 * 24 * hourMs, bucket: 'DAY', stepMs: 24 * hourMs },
} as const
type Range = keyof typeof ranges

const dimensions = ['ROUTE', 'BACKEND', 'PROVIDER', 'DEPLOYMENT', 'API_KEY', 'USER', 'OPERATION', 'OUTCOME'] as const
type Dimension = (typeof dimensions)[number]

/** Lines that can still be told apart. */
const mostLines = 7

/** What was used and what it cost, by time and by one dimension. Both stand in the address. */
export function UsageScreen() {
  const [search, setSearch] = useSearchParams()
  const range = (search.get('range') ?? 'hour') in ranges ? ((search.get('range') ?? 'hour') as Range) : 'hour'
  const by = dimensions.find((dimension) => dimension === search.get('by')) ?? 'ROUTE'
  const { bucket, lengthMs, stepMs } = ranges[range]
  const from = useMemo(
    () => new Date(Math.floor((Date.now() - lengthMs) / stepMs) * stepMs).toISOString(),
    [lengthMs, stepMs],
  )
  const variables = { from, bucket, by: [by] }
  const [{ data, error }, execute] = useQuery({ query: Usage, variables })
  const set = (name: string, value: string) =>
    setSearch((before) => new URLSearchParams([...before].filter(([key]) => key !== name).concat([[name, value]])), {
      replace: true,
    })
  return (
    <>
      <section className="panel" aria-labelledby="usage-title">
        <header>
          <h1 id="usage-title" className="grow">
            Usage and money
          </h1>
          <button type="button" className="small" onClick={() => execute({ requestPolicy: 'network-only' })}>
            Refresh
          </button>
          <Source of="Usage" document={Usage} variables={variables} />
        </header>
        <div className="filters">
          <label>
            Time
            <select value={range} onChange={(event) => set('range', event.target.value)}>
              {Object.entries(ranges).map(([key, { name }]) => (
                <option key={key} value={key}>
                  {name}
                </option>
              ))}
            </select>
          </label>
          <label>
            By
            <select value={by} onChange={(event) => set('by', event.target.value)}>
              {dimensions.map((dimension) => (
                <option key={dimension} value={dimension}>
                  {words(dimension)}
                </option>
              ))}
            </select>
          </label>
        </div>
        <Loaded data={data} fault={error?.message}>
          {(loaded) => <Report data={loaded} by={by} from={from} stepMs={stepMs} />}
        </Loaded>
      </section>
      <BudgetsPanel />
    </>
  )
}

interface ReportProps {
  readonly data: UsageData
  readonly by: Dimension
  readonly from: string
  readonly stepMs: number
}

function Report({ data, by, from, stepMs }: ReportProps) {
  const { totals, completeUntil, lostRequests, truncated } = data.byTime
  const rows = data.byGroup.rows.toSorted((a, b) => b.metrics.requests - a.metrics.requests)
  const { times, requests, costs } = useMemo(() => toPlots(data, from, stepMs), [data, from, stepMs])
  if (totals.requests === 0) return <Empty>No request ended in this time.</Empty>
  return (
    <>
      <dl className="totals">
        <Figure name="requests">{count(totals.requests)}</Figure>
        <Figure name="failed" isBad={totals.failures > 0}>
          {count(totals.failures)}
        </Figure>
        <Figure name="by a fallback">{count(totals.fallbacks)}</Figure>
        <Figure name="tokens in">{count(totals.inputTokens)}</Figure>
        <Figure name="tokens out">{count(totals.outputTokens)}</Figure>
        <Figure name="p95 first byte">{totals.firstByteMs ? milliseconds(totals.firstByteMs.p95) : '—'}</Figure>
        <Figure name="cost">{money(totals.cost)}</Figure>
      </dl>
      <div className="plots">
        <Suspense>
          <Plot title="Requests" times={times} series={requests} />
          <Plot title="Cost, USD" times={times} series={costs} format={moneyTick} />
        </Suspense>
      </div>
      <div className="scroll" tabIndex={0}>
        <table>
          <thead>
            <tr>
              <th>{words(by)}</th>
              <th className="number">Requests</th>
              <th className="number">Failed</th>
              <th className="number">Fallback</th>
              <th className="number">Tokens in</th>
              <th className="number">from a cache</th>
              <th className="number">Tokens out</th>
              <th className="number">Cost</th>
            </tr>
          </thead>
          <tbody>
            {rows.map(({ group, metrics }) => (
              <tr key={group.labels.join()}>
                <td>{group.labels[0] || <span className="hint">none</span>}</td>
                <td className="number">{count(metrics.requests)}</td>
                <td className="number">{count(metrics.failures)}</td>
                <td className="number">{count(metrics.fallbacks)}</td>
                <td className="number">{count(metrics.inputTokens)}</td>
                <td className="number">{count(metrics.cachedInputTokens)}</td>
                <td className="number">{count(metrics.outputTokens)}</td>
                <td className="number">{money(metrics.cost)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <footer className="row">
        <button type="button" onClick={() => saveText(`usage-by-${by.toLowerCase()}.csv`, csvOf(data, by))}>
          Save as CSV
        </button>
        <span className="hint">
          Complete until <Ago instant={completeUntil} />
          {lostRequests > 0 && `; the records of ${count(lostRequests)} requests were lost`}
          {truncated && '; more rows than can be shown'}
        </span>
      </footer>
    </>
  )
}

function moneyTick(value: number): string {
  return money(String(value))
}

function csvOf({ byTime }: UsageData, by: Dimension): string {
  const header = ['time', words(by), 'requests', 'failures', 'input_tokens', 'output_tokens', 'cost_usd']
  const rows = byTime.rows.map(({ bucketStart, group, metrics }) => [
    bucketStart,
    group.labels[0] ?? '',
    metrics.requests,
    metrics.failures,
    metrics.inputTokens,
    metrics.outputTokens,
    metrics.cost,
  ])
  return toCsv(header, rows)
}

function toPlots({ byTime, byGroup }: UsageData, from: string, stepMs: number) {
  const ranked = byGroup.rows.toSorted((a, b) => b.metrics.requests - a.metrics.requests)
  const labels = ranked.slice(0, mostLines).map(({ group }) => group.labels[0]!)
  const start = Date.parse(from)
  const buckets = Math.floor((Date.parse(byTime.to) - start) / stepMs) + 1
  const times = Array.from({ length: buckets }, (_, index) => (start + index * stepMs) / 1_000)
  const cells = new Map(
    byTime.rows.map(({ group, bucketStart, metrics }) => [
      `${group.labels[0]} ${Date.parse(bucketStart) / 1_000}`,
      metrics,
    ]),
  )
  type Metrics = (typeof byTime.rows)[number]['metrics']
  const seriesOf = (read: (metrics: Metrics | undefined) => number) =>
    labels.map((label) => ({
      label: label || 'none',
      values: times.map((time) => read(cells.get(`${label} ${time}`))),
    }))
  return {
    times,
    requests: seriesOf((metrics) => metrics?.requests ?? 0),
    costs: seriesOf((metrics) => Number(metrics?.cost ?? 0)),
  }
}
