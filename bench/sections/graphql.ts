/** A page of the API as an operator's dashboard asks for it: SQL statements and time. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Product, startProduct } from '../../test/support/product.ts'
import { serverCore } from '../cpu.ts'
import { openBenchDatabase } from '../database.ts'
import type { Row } from '../row.ts'
import { routeName, seedConfiguration } from '../seed.ts'
import { openStatementCounter } from '../statement-counter.ts'
import { quantile } from '../statistics.ts'
import type { Bench, Section } from './section.ts'

const page = `{
  routes(first: 100) {
    totalCount
    pageInfo { hasNextPage endCursor }
    edges {
      node {
        id name revision state readyTargets
        access { policy users { name } apiKeys { name } }
        traffic { requests fallbackShare }
        fallback { backends { label } triggers maxAttempts }
        targets {
          id weight share availability
          backend { id label upstreamModel state health { circuit consecutiveFailures } }
        }
      }
    }
  }
}`

export const graphqlSection: Section = {
  name: 'graphql',
  about:
    'a page of 100 routes with targets, backends, health, access and traffic, and a switch, with 1,000 and 10,000 routes',
  run: async (bench: Bench): Promise<Row[]> => [
    ...(await runWith(bench, 1_000, '1,000')),
    ...(await runWith(bench, 10_000, '10,000')),
  ],
}

/** With so many routes and keys, and 1,000 deployments. */
async function runWith(bench: Bench, routes: number, label: string): Promise<Row[]> {
  await using database = await openBenchDatabase()
  const upstreamPort = bench.upstreams.ports.small
  await seedConfiguration(database.url, { routes, deployments: 1_000, apiKeys: routes, upstreamPort })
  await using counter = await openStatementCounter(database.url)
  await using product = await startProduct({
    wrapper: serverCore,
    env: { ...database.env, DATABASE_URL: counter.url },
  })
  const rounds = bench.isQuick ? 20 : 60
  const latenciesMs: number[] = []
  const statements: number[] = []
  for (let i = 0; i < rounds; i++) {
    const before = { statements: counter.statements(), atMs: performance.now() }
    const data = await product.graphql.request<{ routes: { edges: unknown[] } }>(page)
    latenciesMs.push(performance.now() - before.atMs)
    statements.push(counter.statements() - before.statements)
    if (data.routes.edges.length !== 100) throw new Error(`a page of ${data.routes.edges.length} routes`)
    await sleep(50)
  }
  // What the product does by itself each second runs in between: the least is what the page needs.
  const least = Math.min(...statements)
  const p50 = quantile(latenciesMs.slice(5), 0.5)
  const committed = await switchMs(product, 'COMMITTED', rounds)
  const applied = await switchMs(product, 'APPLIED', rounds)
  return [
    {
      what: `page of 100 of ${label} routes: SQL statements`,
      unit: 'statements',
      values: { signalbox: least },
      result: least,
      goal: { atMost: 10 },
    },
    {
      what: `page of 100 of ${label} routes: p50`,
      unit: 'ms',
      values: { signalbox: p50 },
      result: p50,
      resultUnit: 'ms',
      goal: { atMost: 30 },
    },
    { what: `traffic switch with ${label} routes: p50, committed`, unit: 'ms', values: { signalbox: committed } },
    { what: `traffic switch with ${label} routes: p50, applied`, unit: 'ms', values: { signalbox: applied } },
  ]
}

/** The median time of a mutation that switches a route's traffic. */
async function switchMs(product: Product, waitFor: 'COMMITTED' | 'APPLIED', rounds: number): Promise<number> {
  const route = { name: routeName(0) }
  const { targets } = (
    await product.graphql.request<{ route: { targets: { id: string }[] } }>(
      `query ($by: RouteRefInput!) { route(by: $by) { targets { id } } }`,
      { by: route },
    )
  ).route
  const latenciesMs: number[] = []
  for (let i = 0; i < rounds; i++) {
    const weights = targets.map(({ id }, at) => ({ target: { id }, weight: at === 0 ? i + 1 : 100 + i }))
    const atMs = performance.now()
    await product.graphql.change(
      `mutation ($input: RouteTrafficSetInput!) { routeTrafficSet(input: $input) { userErrors { code path message } } }`,
      { input: { route, weights, waitFor } },
    )
    latenciesMs.push(performance.now() - atMs)
  }
  return quantile(latenciesMs.slice(5), 0.5)
}
