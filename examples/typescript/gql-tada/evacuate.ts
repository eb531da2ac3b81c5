/**
 * Takes the traffic of all routes away from a backend, in one change, e.g. before work on its machine.
 *
 *     npm install && npm run types && node evacuate.ts qwen3-8b
 *
 * The other targets of each route share its part by their weights. Nothing is changed if it is the only target with a weight somewhere, or
 * if somebody changes one of the routes meanwhile. `routeRollback` takes it back. Needs the scopes CONFIG_READ and TRAFFIC_WRITE.
 * Exit codes: 0 done, 1 refused.
 */
import { type ResultOf, type VariablesOf } from 'gql.tada'
import { graphql, request } from './graphql.ts'

const RoutesOf = graphql(`
  query ($after: String) {
    routes(first: 100, after: $after) {
      pageInfo {
        hasNextPage
        endCursor
      }
      edges {
        node {
          name
          revision
          targets {
            id
            weight
            backend {
              label
            }
          }
        }
      }
    }
  }
`)

const Switch = graphql(`
  mutation ($input: RouteTrafficBulkSetInput!) {
    routeTrafficBulkSet(input: $input) {
      applied
      routes {
        name
        revision
        targets {
          share
          backend {
            label
          }
        }
      }
      userErrors {
        code
        message
        path
        ... on RevisionConflictError {
          current {
            ... on Route {
              name
            }
          }
        }
      }
    }
  }
`)

type Route = ResultOf<typeof RoutesOf>['routes']['edges'][number]['node']
type Change = VariablesOf<typeof Switch>['input']['changes'][number]

/** All routes, page by page. */
async function listRoutes(): Promise<Route[]> {
  const routes: Route[] = []
  for (let after: string | null = null; ;) {
    const page: ResultOf<typeof RoutesOf> = await request(RoutesOf, { after })
    routes.push(...page.routes.edges.map(({ node }) => node))
    if (!page.routes.pageInfo.hasNextPage) return routes
    after = page.routes.pageInfo.endCursor
  }
}

/** The change that leaves a route without traffic to the backend; undefined if it has none. Throws if nothing would be left. */
function changeOf(route: Route, label: string): Change | undefined {
  const targets = route.targets.filter(({ weight }) => weight > 0)
  const rest = targets.filter(({ backend }) => backend.label !== label)
  if (rest.length === targets.length) return undefined
  if (rest.length === 0) throw new Error(`${route.name} has no other target with a weight.`)
  const weights = rest.map(({ id, weight }) => ({ target: { id }, weight }))
  return { route: { name: route.name }, expectedRevision: route.revision, weights }
}

async function evacuate(label: string): Promise<void> {
  const changes = (await listRoutes()).flatMap((route) => changeOf(route, label) ?? [])
  if (changes.length === 0) return console.log(`No route sends anything to ${label}.`)
  const { routeTrafficBulkSet } = await request(Switch, { input: { changes, reason: `evacuate ${label}` } })
  const faults = routeTrafficBulkSet?.userErrors.map(
    (fault) => `${fault.code}: ${fault.message}${'current' in fault ? ` (${JSON.stringify(fault.current)})` : ''}`,
  )
  if (faults?.length !== 0) throw new Error(faults?.join('\n') ?? 'no answer')
  for (const { name, revision, targets } of routeTrafficBulkSet?.routes ?? [])
    console.log(`${name} ${revision}: ${targets.map(({ backend, share }) => `${backend.label} ${share}`).join(', ')}`)
}

const [label] = process.argv.slice(2)
try {
  if (label === undefined) throw new Error('Usage: node evacuate.ts LABEL')
  await evacuate(label)
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error))
  process.exitCode = 1
}
