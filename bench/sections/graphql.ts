/** A page of the API as an operator's dashboard asks for it: SQL statements and time. */
import { setTimeout as sleep } from 'node:timers/promises'
import { startProduct } from '../../test/support/product.ts'
import { serverCore } from '../cpu.ts'
import { openBenchDatabase } from '../database.ts'
import type { Row } from '../row.ts'
import { seedConfiguration } from '../seed.ts'
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
  about: 'a page of 100 of 1,000 routes with targets, backends, health, access and traffic',
  run: async (bench: Bench): Promise<Row[]> => {
    await using database = await openBenchDatabase()
    await seedConfiguration(database.url, {
      routes: 1_000,
      deployments: 1_000,
      apiKeys: 1_000,
      upstreamPort: bench.upstreams.ports.small,
    })
    await using counter = await openStatementCounter(database.url)
    await using product = await startProduct({
      wrapper: serverCore,
      env: { ...database.env, DATABASE_URL: counter.url },
    })
    const latenciesMs: number[] = []
    const statements: number[] = []
    for (let i = 0; i < (bench.isQuick ? 20 : 60); i++) {
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
    return [
      {
        what: 'page of 100 of 1,000 routes: SQL statements',
        unit: 'statements',
        values: { signalbox: least },
        result: least,
        goal: { atMost: 10 },
      },
      {
        what: 'page of 100 of 1,000 routes: p50',
        unit: 'ms',
        values: { signalbox: p50 },
        result: p50,
        resultUnit: 'ms',
        goal: { atMost: 30 },
      },
    ]
  },
}
