import { graphql } from '../api/graphql.ts'
import { useConfigQuery } from '../live/config-version.tsx'
import { Ago } from '../ui/time.tsx'

const LastChange = graphql(`
  query LastChange($subject: ID!) {
    auditLog(first: 1, subjectId: $subject) {
      edges {
        node {
          id
          at
          action
          actorLabel
          reason
        }
      }
    }
  }
`)

interface Props {
  readonly subjectId: string
  readonly seenRevision: number
  readonly revision: number
  /** The viewer has seen it, and wants the own change on top of it. */
  readonly onRebase: () => void
}

/** Someone else changed the object while a form was open: who, what and why. Nothing where the revisions are the same. */
export function ChangedMeanwhile({ subjectId, seenRevision, revision, onRebase }: Props) {
  const isChanged = revision !== seenRevision
  const { data } = useConfigQuery(LastChange, { subject: subjectId }, isChanged)
  if (!isChanged) return null
  const change = data?.auditLog.edges[0]?.node
  return (
    <div className="conflict" role="alert">
      <p>
        <b>
          It was changed meanwhile: it is at revision {revision}, and this form began at revision {seenRevision}.
        </b>
      </p>
      {change && (
        <p>
          {inWords(change.action)} by <b>{change.actorLabel}</b> <Ago instant={change.at} />
          {change.reason && (
            <>
              {': '}
              <span className="quote">{change.reason}</span>
            </>
          )}
        </p>
      )}
      <button type="button" onClick={onRebase}>
        Keep what I wrote and apply it to revision {revision}
      </button>
    </div>
  )
}

/** `providerUpdate` is “provider update”. */
function inWords(action: string): string {
  return action.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
}
