import { useState } from 'react'
import { graphql, type ResultOf } from '../api/graphql.ts'
import { useConfigQuery } from '../live/config-version.tsx'
import { useSession } from '../session/session.tsx'
import { percent, words } from '../ui/figures.ts'
import { Source } from '../ui/source.tsx'
import { Loaded } from '../ui/state.tsx'
import { Ago } from '../ui/time.tsx'
import type { RouteDetail } from './route-details.ts'
import { TakeBackButton } from './take-back.tsx'

const History = graphql(`
  query History($id: ID!, $first: Int!) {
    route(by: { id: $id }) {
      id
      revisions(first: $first) {
        totalCount
        edges {
          node {
            id
            number
            kind
            actorLabel
            reason
            createdAt
            fallback
            targets {
              targetId
              backendLabel
              weight
            }
          }
        }
      }
    }
  }
`)

type Revision = NonNullable<ResultOf<typeof History>['route']>['revisions']['edges'][number]['node']

const pageSize = 20

/** Every committed state, newest first, with what it changed. */
export function RouteHistory({ route }: { readonly route: RouteDetail }) {
  const { may } = useSession()
  const [shown, setShown] = useState(pageSize)
  // One more than is shown: the last one is compared with it.
  const variables = { id: route.id, first: Math.min(shown + 1, 100) }
  const { data, fault } = useConfigQuery(History, variables)
  const mayTakeBack = may('CONFIG_WRITE') || may('TRAFFIC_WRITE')
  return (
    <section className="panel" aria-labelledby="history-title">
      <header>
        <h2 id="history-title">History</h2>
        <Source of={`History of ${route.name}`} document={History} variables={variables} />
      </header>
      <Loaded data={data} fault={fault}>
        {(loaded) => {
          const revisions = loaded.route?.revisions.edges.map(({ node }) => node) ?? []
          const total = loaded.route?.revisions.totalCount ?? 0
          return (
            <>
              <ol className="history">
                {revisions.slice(0, shown).map((revision, index) => (
                  <li key={revision.id} data-revision={revision.number}>
                    <div className="row spread">
                      <p>
                        <b>{revision.number}</b> {words(revision.kind)} <Ago instant={revision.createdAt} />{' '}
                        <span className="hint">by {revision.actorLabel}</span>
                      </p>
                      {mayTakeBack && revision.number !== route.revision && (
                        <TakeBackButton route={route} toRevision={revision.number} label="Restore" />
                      )}
                    </div>
                    {revision.reason && <p className="quote">{revision.reason}</p>}
                    <ul className="differences">
                      {differences(revision, revisions[index + 1]).map((difference) => (
                        <li key={difference}>{difference}</li>
                      ))}
                    </ul>
                  </li>
                ))}
              </ol>
              {total > shown && shown < 99 && (
                <button type="button" onClick={() => setShown(Math.min(shown + pageSize, 99))}>
                  Show more of {total}
                </button>
              )}
            </>
          )
        }}
      </Loaded>
    </section>
  )
}

/** What a revision did to the split and the fallback, a line each. */
function differences(now: Revision, before: Revision | undefined): readonly string[] {
  const was = shares(before)
  const is = shares(now)
  const lines = [...new Set([...is.keys(), ...was.keys()])].flatMap((label) => {
    const [from, to] = [was.get(label), is.get(label)]
    if (from === to) return []
    if (from === undefined) return [`${before ? '+ ' : ''}${label} ${percent(to!)}`]
    return [to === undefined ? `− ${label} (was ${percent(from)})` : `${label} ${percent(from)} → ${percent(to)}`]
  })
  const [chainBefore, chain] = [before?.fallback.join(', ') ?? '', now.fallback.join(', ')]
  return chain === chainBefore ? lines : [...lines, `fallback ${chainBefore || 'none'} → ${chain || 'none'}`]
}

function shares(revision: Revision | undefined): ReadonlyMap<string, number> {
  const targets = revision?.targets ?? []
  const sum = targets.reduce((total, { weight }) => total + weight, 0)
  return new Map(targets.map(({ backendLabel, weight }) => [backendLabel, sum > 0 ? weight / sum : 0]))
}
