import { useState } from 'react'
import { Faults } from '../change/faults.tsx'
import { useChange } from '../change/use-change.ts'
import { useConfigQuery } from '../live/config-version.tsx'
import { useRefreshed } from '../live/use-refreshed.ts'
import { useSession } from '../session/session.tsx'
import { count, several } from '../ui/figures.ts'
import { Source } from '../ui/source.tsx'
import { Empty, Loaded } from '../ui/state.tsx'
import { Ago } from '../ui/time.tsx'
import { CreateLimitDialog } from './create-limit.tsx'
import { EditLimitDialog } from './edit-limit.tsx'
import { DeleteRateLimit, type LimitState, type RateLimitNode, RateLimits } from './limit-documents.ts'
import { perText, SubjectName, subjectText } from './subject.tsx'

/** How fast the states change is not worth more questions. */
const refreshMs = 10_000

/** The limits of one object, or all of them, and what is left of each. */
export function LimitsPanel({ subjectId }: { readonly subjectId?: string }) {
  const { may } = useSession()
  const variables = { subject: subjectId ?? null }
  const { data, fault, refresh } = useConfigQuery(RateLimits, variables)
  useRefreshed(refresh, refreshMs)
  const [isCreating, setCreating] = useState(false)
  return (
    <section className="panel" aria-labelledby="limits-title">
      <header>
        <h2 id="limits-title">Limits</h2>
        {may('CONFIG_WRITE') && (
          <button type="button" onClick={() => setCreating(true)}>
            New limit
          </button>
        )}
        <Source of="Limits" document={RateLimits} variables={variables} />
      </header>
      <Loaded data={data} fault={fault}>
        {({ rateLimits }) =>
          rateLimits.edges.length === 0 ? (
            <Empty>Nothing bounds how fast {subjectId ? 'it' : 'anything'} may be used.</Empty>
          ) : (
            <>
              <LimitTable limits={rateLimits.edges.map(({ node }) => node)} isSubjectShown={subjectId === undefined} />
              {rateLimits.totalCount > rateLimits.edges.length && (
                <p className="hint">{rateLimits.totalCount - rateLimits.edges.length} newer ones are not shown.</p>
              )}
            </>
          )
        }
      </Loaded>
      {isCreating && <CreateLimitDialog subjectId={subjectId} onClose={() => setCreating(false)} />}
    </section>
  )
}

interface TableProps {
  readonly limits: readonly RateLimitNode[]
  readonly isSubjectShown: boolean
}

function LimitTable({ limits, isSubjectShown }: TableProps) {
  return (
    <div className="scroll" tabIndex={0}>
      <table>
        <thead>
          <tr>
            {isSubjectShown && <th>About</th>}
            <th>At most</th>
            <th>Left now</th>
            <th>In the last hour</th>
            <th>
              <span className="sr-only">Change</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {limits.map((limit) => (
            <LimitRow key={limit.id} limit={limit} isSubjectShown={isSubjectShown} />
          ))}
        </tbody>
      </table>
    </div>
  )
}

function LimitRow({ limit, isSubjectShown }: { readonly limit: RateLimitNode; readonly isSubjectShown: boolean }) {
  const { may } = useSession()
  const [isEditing, setEditing] = useState(false)
  const states = limit.states.edges.map(({ node }) => node)
  return (
    <tr data-limit={subjectText(limit.subject)}>
      {isSubjectShown && (
        <td>
          <SubjectName subject={limit.subject} />
        </td>
      )}
      <td>
        {boundsText(limit)} <span className="hint">{perText(limit.per)}</span>
        {limit.enforcement === 'OBSERVE' && <span className="badge warn">only counted</span>}
      </td>
      <td>
        {states.length === 0 && <span className="hint">not used yet</span>}
        <ul>
          {states.map((state) => (
            <li key={state.labels.join()}>
              <StateLabels labels={state.labels} />
              {leftText(limit, state)}
              {state.resetsAt && (
                <span className="hint">
                  {' '}
                  full <Ago instant={state.resetsAt} />
                </span>
              )}
            </li>
          ))}
        </ul>
        {limit.states.pageInfo.hasNextPage && <span className="hint">and others that are used less</span>}
      </td>
      <td>
        <ul>
          {states.map((state) => (
            <li key={state.labels.join()} className={state.refusedLastHour > 0 ? 'fault' : ''}>
              {refusedText(limit, state)}
            </li>
          ))}
        </ul>
      </td>
      <td className="number">
        {may('CONFIG_WRITE') && (
          <>
            <button
              type="button"
              className="small"
              aria-label={`Edit the limit of ${subjectText(limit.subject)}: ${boundsText(limit)}`}
              onClick={() => setEditing(true)}
            >
              Edit
            </button>{' '}
            <DeleteButton limit={limit} />
          </>
        )}
        {isEditing && <EditLimitDialog limit={limit} onClose={() => setEditing(false)} />}
      </td>
    </tr>
  )
}

export function StateLabels({ labels }: { readonly labels: readonly string[] }) {
  return labels.length > 0 && <b>{labels.join(', ')}: </b>
}

function DeleteButton({ limit }: { readonly limit: RateLimitNode }) {
  const { run, faults, isRunning } = useChange(DeleteRateLimit, 'The limit is gone.')
  const variables = { id: limit.id, expectedRevision: limit.revision }
  return (
    <>
      <button
        type="button"
        className="small danger"
        disabled={isRunning}
        aria-label={`Delete the limit of ${subjectText(limit.subject)}: ${boundsText(limit)}`}
        onClick={() => void run(variables)}
      >
        Delete
      </button>
      <Source of="Delete a limit" document={DeleteRateLimit} variables={variables} />
      <Faults faults={faults} />
    </>
  )
}

function boundsText({ requestsPerMinute, tokensPerMinute, inFlight, burst }: RateLimitNode): string {
  return [
    requestsPerMinute !== null && `${several(requestsPerMinute, 'request')} a minute`,
    tokensPerMinute !== null && `${several(tokensPerMinute, 'token')} a minute`,
    inFlight !== null && `${count(inFlight)} at the same time`,
    burst !== null && `a burst of ${count(burst)}`,
  ]
    .filter((text) => text !== false)
    .join(', ')
}

function leftText(limit: RateLimitNode, { requestsLeft, tokensLeft, inFlight }: LimitState): string {
  return [
    requestsLeft !== null && several(requestsLeft, 'request'),
    tokensLeft !== null && several(tokensLeft, 'token'),
    limit.inFlight !== null && `${count(limit.inFlight - inFlight)} of ${count(limit.inFlight)} places`,
  ]
    .filter((text) => text !== false)
    .join(', ')
}

function refusedText({ enforcement }: RateLimitNode, state: LimitState): string {
  return enforcement === 'OBSERVE'
    ? `would have refused ${count(state.wouldRefuseLastHour)}`
    : `refused ${count(state.refusedLastHour)}`
}
