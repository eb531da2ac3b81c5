import { lazy, Suspense, useEffect, useMemo, useState } from 'react'
import { useQuery } from 'urql'
import { graphql, type ResultOf } from '../api/graphql.ts'
import { useSession } from '../session/session.tsx'
import { milliseconds } from '../ui/figures.ts'
import type { Series } from '../ui/plot.tsx'
import { Source } from '../ui/source.tsx'
import { Loaded } from '../ui/state.tsx'
import type { RouteDetail } from './route-details.ts'

const Plot = lazy(() => import('../ui/plot.tsx').then((module) => ({ default: module.Plot })))

const LastMinutes = graphql(`
  query LastMinutes($from: DateTime!, $routeId: ID!) {
    usage(range: { from: $from }, bucket: MINUTE, groupBy: [BACKEND], filter: { routeIds: [$routeId] }) {
      completeUntil
      rows {
        bucketStart
        group {
          labels
        }
        metrics {
          requests
          failures
          firstByteMs {
            p95
          }
        }
      }
    }
  }
`)

const minutes = 30
const refreshMs = 10_000

/** Requests and waiting times of the last half hour, a point a minute. */
export function RoutePlots({ route }: { readonly route: RouteDetail }) {
  const { may } = useSession()
  const from = useMinuteAgo(minutes)
  const variables = { from, routeId: route.id }
  const [{ data, error }, execute] = useQuery({ query: LastMinutes, variables, pause: !may('USAGE_READ') })
  useEffect(() => {
    const timer = setInterval(() => {
      if (document.visibilityState === 'visible') execute({ requestPolicy: 'network-only' })
    }, refreshMs)
    return () => clearInterval(timer)
  }, [execute])
  const order = useMemo(() => route.targets.map(({ backend }) => backend.label), [route])
  if (!may('USAGE_READ')) return null
  return (
    <section className="panel" aria-labelledby="plots-title">
      <header>
        <h2 id="plots-title">Last {minutes} minutes</h2>
        <Source of={`Last minutes of ${route.name}`} document={LastMinutes} variables={variables} />
      </header>
      <Loaded data={data} fault={error?.message}>
        {(loaded) => {
          const { times, requests, failures, waits } = toPlots(loaded, from, order)
          return (
            <div className="plots">
              <Suspense>
                <Plot title="Requests a minute" times={times} series={requests} />
                <Plot title="Failed requests a minute" times={times} series={failures} />
                <Plot title="p95 to first byte" times={times} series={waits} format={milliseconds} />
              </Suspense>
            </div>
          )
        }}
      </Loaded>
    </section>
  )
}

/** The instant of `count` whole minutes ago, moving on with each minute. */
function useMinuteAgo(count: number): string {
  const [minute, setMinute] = useState(() => Math.floor(Date.now() / 60_000))
  useEffect(() => {
    const timer = setInterval(() => setMinute(Math.floor(Date.now() / 60_000)), 5_000)
    return () => clearInterval(timer)
  }, [])
  return new Date((minute - count) * 60_000).toISOString()
}

function toPlots({ usage: { rows } }: ResultOf<typeof LastMinutes>, from: string, order: readonly string[]) {
  const start = Date.parse(from)
  const times = Array.from({ length: minutes + 1 }, (_, index) => start / 1_000 + index * 60)
  const names = [...new Set([...order, ...rows.map(({ group }) => group.labels[0]!)])]
  const cells = new Map(
    rows.map((row) => [`${row.group.labels[0]} ${Date.parse(row.bucketStart) / 1_000}`, row.metrics]),
  )
  const seriesOf = (read: (metrics: (typeof rows)[number]['metrics'] | undefined) => number | null): Series[] =>
    names.map((label) => ({ label, values: times.map((time) => read(cells.get(`${label} ${time}`))) }))
  return {
    times,
    requests: seriesOf((metrics) => metrics?.requests ?? 0),
    failures: seriesOf((metrics) => metrics?.failures ?? 0),
    waits: seriesOf((metrics) => metrics?.firstByteMs?.p95 ?? null),
  }
}
