import { words } from '../ui/figures.ts'
import { Ago } from '../ui/time.tsx'
import type { RouteDetail } from './route-details.ts'

interface Props {
  readonly route: RouteDetail
  readonly seenRevision: number
  readonly onDrop: () => void
  readonly onRebase: () => void
}

/** Someone else changed the route after the draft was begun: who, what and why, and what to do now. */
export function Conflict({ route, seenRevision, onDrop, onRebase }: Props) {
  const change = route.revisions.edges[0]?.node
  return (
    <div className="conflict" role="alert">
      <p>
        <b>
          {route.name} was changed meanwhile: it is at revision {route.revision}, and your draft is of revision{' '}
          {seenRevision}.
        </b>
      </p>
      {change && (
        <p>
          {words(change.kind)} by <b>{change.actorLabel}</b> <Ago instant={change.createdAt} />
          {change.reason && (
            <>
              {': '}
              <span className="quote">{change.reason}</span>
            </>
          )}
        </p>
      )}
      <p className="row">
        <button type="button" onClick={onDrop}>
          Take what is live
        </button>
        <button type="button" onClick={onRebase}>
          Keep my draft and apply it to revision {route.revision}
        </button>
      </p>
    </div>
  )
}
