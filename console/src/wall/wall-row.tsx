import { Link } from 'wouter'
import { useInSight } from '../live/use-in-sight.ts'
import { useLive } from '../live/use-live.ts'
import {
  divergenceInWords,
  errorShareOf,
  RouteTraffic,
  sharesOf,
  slowestFirstByteMs,
  type Traffic,
} from '../route/traffic.ts'
import { TakeBackButton } from '../route/take-back.tsx'
import { useSession } from '../session/session.tsx'
import { Figure } from '../ui/figure.tsx'
import { milliseconds, percent, perSecond, words } from '../ui/figures.ts'
import { ShareBars } from '../ui/share-bars.tsx'
import { Ago } from '../ui/time.tsx'
import type { WallRoute } from './wall-query.ts'

const windowMs = 10_000

export function WallRow({ route }: { readonly route: WallRoute }) {
  const [row, isInSight] = useInSight<HTMLLIElement>()
  const { data } = useLive(RouteTraffic, { id: route.id, windowMs }, isInSight)
  const traffic = data?.routeTraffic
  const reasons = traffic ? divergenceInWords(traffic) : []
  return (
    <li ref={row} className="wall-row" data-route={route.name} aria-label={route.name}>
      <div className="wall-name">
        <h3>
          <Link href={`/routes/${route.id}`}>{route.name}</Link>
        </h3>
        <p className="hint">
          revision {route.revision}
          {route.state !== 'ACTIVE' && <span className="badge warn">{words(route.state)}</span>}
        </p>
      </div>
      <ShareBars shares={traffic ? sharesOf(traffic) : configuredShares(route)} />
      <Figures traffic={traffic} />
      <LastChange route={route} />
      {reasons.length > 0 && (
        <ul className="reasons">
          {reasons.map((reason) => (
            <li key={reason}>{reason}</li>
          ))}
        </ul>
      )}
    </li>
  )
}

function configuredShares({ targets }: WallRoute) {
  return targets.map(({ id, share, backend }) => ({ id, label: backend.label, configured: share, observed: null }))
}

function Figures({ traffic }: { readonly traffic: Traffic | undefined }) {
  const errors = traffic ? errorShareOf(traffic) : 0
  const firstByteMs = traffic ? slowestFirstByteMs(traffic) : null
  const isIdle = !traffic || traffic.requests === 0
  return (
    <dl className="wall-figures">
      <Figure name="requests/s">{traffic ? perSecond(traffic.requests, traffic.windowMs) : '—'}</Figure>
      <Figure name="errors" isBad={errors > 0.01}>
        {isIdle ? '—' : percent(errors)}
      </Figure>
      <Figure name="p95 first byte">{firstByteMs === null ? '—' : milliseconds(firstByteMs)}</Figure>
      <Figure name="fallback" isBad={!isIdle && traffic.fallbackShare > 0.01}>
        {isIdle ? '—' : percent(traffic.fallbackShare)}
      </Figure>
    </dl>
  )
}

function LastChange({ route }: { readonly route: WallRoute }) {
  const { may } = useSession()
  const change = route.revisions.edges[0]?.node
  if (!change) return <div className="wall-change" />
  const mayTakeBack = change.number > 1 && (may('CONFIG_WRITE') || may('TRAFFIC_WRITE'))
  return (
    <div className="wall-change">
      <p>
        {words(change.kind)} <Ago instant={change.createdAt} />
        <span className="hint"> by {change.actorLabel}</span>
      </p>
      {change.reason && <p className="quote">{change.reason}</p>}
      {mayTakeBack && <TakeBackButton route={route} toRevision={change.number - 1} />}
    </div>
  )
}
