import { Link, useSearchParams } from 'wouter'
import { LimitsPanel } from '../limits/limits-panel.tsx'
import { useConfigQuery } from '../live/config-version.tsx'
import { words } from '../ui/figures.ts'
import { Source } from '../ui/source.tsx'
import { Empty, Loaded } from '../ui/state.tsx'
import { RouteFallback } from './route-fallback.tsx'
import { RouteAccess } from './route-access.tsx'
import { RouteHistory } from './route-history.tsx'
import { RoutePlots } from './route-plots.tsx'
import { RouteSplit } from './route-split.tsx'
import { RouteWhy } from './route-why.tsx'
import { RouteDetails } from './route-details.ts'

const tabs = [
  ['', 'Traffic'],
  ['history', 'History'],
  ['why', 'Why'],
  ['access', 'Access and limits'],
] as const

export function RouteScreen({ id }: { readonly id: string }) {
  const { data, fault, refresh } = useConfigQuery(RouteDetails, { id })
  const [search] = useSearchParams()
  const tab = search.get('tab') ?? ''
  return (
    <Loaded data={data} fault={fault}>
      {({ route }) =>
        route ? (
          <>
            <header className="row spread">
              <div>
                <h1>
                  {route.name}
                  <span className="badge">revision {route.revision}</span>
                  {route.state !== 'ACTIVE' && <span className="badge warn">{words(route.state)}</span>}
                  {route.readyTargets === 0 && <span className="badge bad">no target can take a request</span>}
                </h1>
                {route.description && <p className="hint">{route.description}</p>}
              </div>
              <Source of={`The route ${route.name}`} document={RouteDetails} variables={{ id }} />
            </header>
            <nav className="tabs" aria-label="About this route">
              {tabs.map(([key, name]) => (
                <Link
                  key={key}
                  href={key ? `/routes/${id}?tab=${key}` : `/routes/${id}`}
                  aria-current={tab === key ? 'page' : undefined}
                >
                  {name}
                </Link>
              ))}
            </nav>
            {tab === '' && (
              <>
                <RouteSplit route={route} refresh={refresh} />
                <RouteFallback route={route} />
                <RoutePlots route={route} />
              </>
            )}
            {tab === 'history' && <RouteHistory route={route} />}
            {tab === 'why' && <RouteWhy route={route} />}
            {tab === 'access' && (
              <>
                <RouteAccess route={route} />
                <LimitsPanel subjectId={route.id} />
              </>
            )}
          </>
        ) : (
          <Empty>There is no such route any more.</Empty>
        )
      }
    </Loaded>
  )
}
