/** What scripts do to the API: 100 routes switched in one call, and 1,000 changes at once with readers beside them. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Product, startProduct } from '../../test/support/product.ts'
import type { GraphqlClient } from '../../test/support/graphql-client.ts'
import { serverCore } from '../cpu.ts'
import { openBenchDatabase } from '../database.ts'
import type { Row } from '../row.ts'
import { routeName, seedConfiguration } from '../seed.ts'
import { openStatementCounter, type StatementCounter } from '../statement-counter.ts'
import { quantile } from '../statistics.ts'
import type { Bench, Section } from './section.ts'

const routes = 1_000
const bulk = 100
const atOnce = 1_000

export const mutationsSection: Section = {
  name: 'mutations',
  about: `${bulk} routes switched in one call, and ${atOnce} mutations at once with reads beside them, with ${routes} routes`,
  async run(bench: Bench): Promise<Row[]> {
    await using database = await openBenchDatabase()
    const upstreamPort = bench.upstreams.ports.small
    await seedConfiguration(database.url, { routes, deployments: routes, apiKeys: routes, upstreamPort })
    await using counter = await openStatementCounter(database.url)
    await using product = await startProduct({
      wrapper: serverCore,
      env: { ...database.env, DATABASE_URL: counter.url, SIGNALBOX_API_COST_PER_MINUTE: '0' },
    })
    const targets = await readTargets(product)
    const one = await switchBulk(product, counter, targets.slice(0, 1), bench.isQuick ? 10 : 40)
    const many = await switchBulk(product, counter, targets.slice(0, bulk), bench.isQuick ? 5 : 20)
    const burst = await changeAtOnce(product, targets, bench.isQuick ? 200 : atOnce)
    return [
      {
        what: 'switch of one route, applied: SQL statements',
        unit: 'statements',
        values: { signalbox: one.statements },
        result: one.statements,
        goal: { atMost: 12 },
      },
      {
        what: `switch of ${bulk} routes in one call, applied: SQL statements`,
        unit: 'statements',
        values: { signalbox: many.statements },
      },
      {
        what: `switch of ${bulk} routes in one call, applied: p50`,
        unit: 'ms',
        values: { signalbox: many.p50Ms },
        result: many.p50Ms,
        resultUnit: 'ms',
        goal: { atMost: 300 },
      },
      ...burst,
    ]
  },
}

interface RouteTargets {
  readonly name: string
  readonly targetIds: readonly string[]
}

interface RoutePage {
  readonly edges: readonly {
    readonly node: { readonly name: string; readonly targets: readonly { readonly id: string }[] }
  }[]
  readonly pageInfo: { readonly endCursor: string; readonly hasNextPage: boolean }
}

/** Of the first routes, as many as are changed at once. */
async function readTargets({ graphql }: Product): Promise<RouteTargets[]> {
  const found: RouteTargets[] = []
  for (let after: string | null = null; found.length < atOnce;) {
    const page = await readPage(graphql, after)
    found.push(...page.edges.map(({ node }) => ({ name: node.name, targetIds: node.targets.map(({ id }) => id) })))
    if (!page.pageInfo.hasNextPage) break
    after = page.pageInfo.endCursor
  }
  return found.filter(({ name }) => name.startsWith(routeName(0).slice(0, -5)))
}

async function readPage(graphql: GraphqlClient, after: string | null): Promise<RoutePage> {
  const { routes: page } = await graphql.request<{ routes: RoutePage }>(
    `query ($after: String) {
      routes(first: 100, after: $after, orderBy: { field: NAME }) {
        edges { node { name targets { id } } } pageInfo { endCursor hasNextPage }
      }
    }`,
    { after },
  )
  return page
}

function weightsOf({ targetIds }: RouteTargets, round: number): object[] {
  return targetIds.map((id, at) => ({ target: { id }, weight: at === 0 ? round + 1 : 1_000 - round }))
}

/** Switches these routes again and again, each time in one call that waits until it is applied. */
async function switchBulk(
  { graphql }: Product,
  counter: StatementCounter,
  changed: readonly RouteTargets[],
  rounds: number,
): Promise<{ p50Ms: number; statements: number }> {
  const latenciesMs: number[] = []
  const statements: number[] = []
  for (let round = 0; round < rounds; round++) {
    const changes = changed.map((route) => ({ route: { name: route.name }, weights: weightsOf(route, round) }))
    const before = { statements: counter.statements(), atMs: performance.now() }
    await graphql.change(
      `mutation ($changes: [RouteTrafficChangeInput!]!) {
        routeTrafficBulkSet(input: { changes: $changes }) { applied userErrors { code path message } routes { name revision } }
      }`,
      { changes },
    )
    latenciesMs.push(performance.now() - before.atMs)
    statements.push(counter.statements() - before.statements)
    await sleep(50)
  }
  // What the product does by itself each second runs in between: the least is what the switch needs.
  return { p50Ms: quantile(latenciesMs, 0.5), statements: Math.min(...statements) }
}

/** Changes that all begin at the same time, each of another route, and a reader that asks for pages for as long as they last. */
async function changeAtOnce({ graphql }: Product, targets: readonly RouteTargets[], count: number): Promise<Row[]> {
  const over = new AbortController()
  const readsMs: number[] = []
  const read = async () => {
    while (!over.signal.aborted) {
      const atMs = performance.now()
      await graphql.request('{ routes(first: 20) { edges { node { name revision targets { weight share } } } } }')
      readsMs.push(performance.now() - atMs)
      await sleep(10)
    }
  }
  const startedAtMs = performance.now()
  const reader = read()
  const answers = await Promise.allSettled(
    targets.slice(0, count).map(async (route) => {
      const input = { route: { name: route.name }, weights: weightsOf(route, 500) }
      const { route: changed } = await graphql.change<{ route: { revision: number; targets: { weight: number }[] } }>(
        `mutation ($input: RouteTrafficSetInput!) {
          routeTrafficSet(input: $input) { applied userErrors { code path message } route { revision targets { weight } } }
        }`,
        { input },
      )
      return changed.targets.map(({ weight }) => weight).join() === '501,500'
    }),
  )
  const lastedMs = performance.now() - startedAtMs
  over.abort()
  await reader
  const untrue = answers.filter((answer) => answer.status === 'rejected' || !answer.value).length
  const slowestMs = Math.max(...readsMs)
  const what = `${count} mutations at once`
  return [
    {
      what: `${what}: failed, or answered with what they did not make`,
      unit: 'mutations',
      values: { signalbox: untrue },
      result: untrue,
      goal: { atMost: 0 },
    },
    { what: `${what}: until the last is answered as applied`, unit: 'ms', values: { signalbox: lastedMs } },
    {
      what: `${what}: slowest of ${readsMs.length} reads beside them`,
      unit: 'ms',
      values: { signalbox: slowestMs },
      result: slowestMs,
      resultUnit: 'ms',
      goal: { atMost: 1_000 },
    },
  ]
}
