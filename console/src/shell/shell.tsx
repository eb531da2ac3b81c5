import { lazy, Suspense } from 'react'
import { Redirect, Route, Switch } from 'wouter'
import { ConfigVersionProvider } from '../live/config-version.tsx'
import { ProblemsPanel } from '../problems/problems.tsx'
import { Announcer } from '../ui/announcer.tsx'
import { Empty, Waiting } from '../ui/state.tsx'
import { WallPanel } from '../wall/wall.tsx'
import { TopBar, toMain } from './top-bar.tsx'

// What is not on the first screen comes when it is wanted.
const RouteScreen = lazy(() => import('../route/route-screen.tsx').then((module) => ({ default: module.RouteScreen })))

const RequestsScreen = lazy(() =>
  import('../requests/requests-screen.tsx').then((module) => ({ default: module.RequestsScreen })),
)
const BackendsScreen = lazy(() =>
  import('../backends/backends-screen.tsx').then((module) => ({ default: module.BackendsScreen })),
)

const UsageScreen = lazy(() => import('../usage/usage-screen.tsx').then((module) => ({ default: module.UsageScreen })))
const AccessScreen = lazy(() =>
  import('../access/access-screen.tsx').then((module) => ({ default: module.AccessScreen })),
)

const TryScreen = lazy(() => import('../try/try-screen.tsx').then((module) => ({ default: module.TryScreen })))
const StartScreen = lazy(() => import('../start/start-screen.tsx').then((module) => ({ default: module.StartScreen })))

export function Shell() {
  return (
    <Announcer>
      <ConfigVersionProvider>
        <a className="skip" href="#main" onClick={toMain}>
          To the content
        </a>
        <TopBar />
        <main id="main" tabIndex={-1}>
          <Suspense fallback={<Waiting />}>
            <Switch>
              <Route path="/">
                <h1 className="sr-only">Overview</h1>
                <ProblemsPanel />
                <WallPanel />
              </Route>
              <Route path="/routes/:id">{({ id }) => <RouteScreen key={id} id={id} />}</Route>
              <Route path="/routes">
                <Redirect to="/" />
              </Route>
              <Route path="/requests" component={RequestsScreen} />
              <Route path="/backends" component={BackendsScreen} />
              <Route path="/usage" component={UsageScreen} />
              <Route path="/access" component={AccessScreen} />
              <Route path="/try" component={TryScreen} />
              <Route path="/start" component={StartScreen} />
              <Route>
                <Empty>There is no such page.</Empty>
              </Route>
            </Switch>
          </Suspense>
        </main>
      </ConfigVersionProvider>
    </Announcer>
  )
}
