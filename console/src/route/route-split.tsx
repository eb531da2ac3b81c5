import { type FormEvent, useState } from 'react'
import { graphql } from '../api/graphql.ts'
import { Faults } from '../change/faults.tsx'
import { useChange } from '../change/use-change.ts'
import { useLive } from '../live/use-live.ts'
import { useSession } from '../session/session.tsx'
import { percent, words } from '../ui/figures.ts'
import { ShareBars } from '../ui/share-bars.tsx'
import { Source } from '../ui/source.tsx'
import { Conflict } from './conflict.tsx'
import { moveWeight, sumOf, withSteps } from './keep-sum.ts'
import type { RouteDetail } from './route-details.ts'
import { divergenceInWords, RouteTraffic, sharesOf } from './traffic.ts'

export const SetTraffic = graphql(`
  mutation SetTraffic($route: ID!, $weights: [TargetWeightInput!]!, $expectedRevision: Int!, $reason: String) {
    routeTrafficSet(
      input: { route: { id: $route }, weights: $weights, expectedRevision: $expectedRevision, reason: $reason }
    ) {
      userErrors {
        code
        message
      }
      applied
      route {
        id
        revision
        targets {
          id
          weight
          share
          availability
        }
      }
    }
  }
`)

interface Draft {
  /** What was seen when it was begun: another change since then is a conflict. */
  readonly revision: number
  readonly targetIds: readonly string[]
  readonly weights: readonly number[]
}

const windowMs = 10_000

/** The weights as sliders that keep their sum, the draft beside what is live. */
export function RouteSplit({ route, refresh }: { readonly route: RouteDetail; readonly refresh: () => void }) {
  const { may } = useSession()
  const [draft, setDraft] = useState<Draft>()
  const { data } = useLive(RouteTraffic, { id: route.id, windowMs })
  const traffic = data?.routeTraffic
  const live = traffic ? sharesOf(traffic) : []
  const mayChange = may('CONFIG_WRITE') || may('TRAFFIC_WRITE')
  const weights = draft?.weights ?? withSteps(route.targets.map(({ weight }) => weight))
  const sum = sumOf(weights)
  const targetIds = draft?.targetIds ?? route.targets.map(({ id }) => id)
  const labelOf = (id: string) => route.targets.find((target) => target.id === id)?.backend.label ?? 'a removed target'
  const move = (index: number, value: number) =>
    setDraft({ revision: draft?.revision ?? route.revision, targetIds, weights: moveWeight(weights, index, value) })

  return (
    <section className="panel split" aria-labelledby="split-title">
      <header>
        <h2 id="split-title">Traffic</h2>
        <Source of={`Live traffic of ${route.name}`} document={RouteTraffic} variables={{ id: route.id, windowMs }} />
      </header>
      <ShareBars
        shares={
          live.length > 0
            ? live
            : route.targets.map(({ id, share, backend }) => ({
                id,
                label: backend.label,
                configured: share,
                observed: null,
              }))
        }
      />
      {traffic && divergenceInWords(traffic).length > 0 && (
        <ul className="reasons">
          {divergenceInWords(traffic).map((reason) => (
            <li key={reason}>{reason}</li>
          ))}
        </ul>
      )}
      <ul className="sliders">
        {targetIds.map((id, index) => {
          const target = route.targets.find((candidate) => candidate.id === id)
          const share = sum > 0 ? weights[index]! / sum : 0
          return (
            <li key={id} className={`c${index % 8}`}>
              <label htmlFor={`weight-${id}`}>
                <i className="swatch" aria-hidden="true" /> {labelOf(id)}
                {target && target.availability !== 'AVAILABLE' && target.availability !== 'NO_WEIGHT' && (
                  <span className="badge bad">{words(target.availability)}</span>
                )}
              </label>
              <input
                id={`weight-${id}`}
                type="range"
                min={0}
                max={sum}
                value={weights[index]}
                disabled={!mayChange || targetIds.length < 2}
                aria-valuetext={percent(share)}
                onChange={(event) => move(index, event.target.valueAsNumber)}
              />
              <output className={draft ? 'changed' : undefined} htmlFor={`weight-${id}`}>
                {percent(share)}
              </output>
              <span className="hint">live {percent(target?.share ?? 0)}</span>
            </li>
          )
        })}
      </ul>
      {draft && (
        <ApplyForm
          route={route}
          draft={draft}
          refresh={refresh}
          onRebase={() => setDraft({ ...draft, revision: route.revision })}
          onDone={() => setDraft(undefined)}
        />
      )}
    </section>
  )
}

interface ApplyProps {
  readonly route: RouteDetail
  readonly draft: Draft
  readonly refresh: () => void
  readonly onRebase: () => void
  readonly onDone: () => void
}

function ApplyForm({ route, draft, refresh, onRebase, onDone }: ApplyProps) {
  const { run, faults, isRunning, clear } = useChange(SetTraffic, `Traffic of ${route.name} is switched.`)
  const [reason, setReason] = useState('')
  const variables = {
    route: route.id,
    weights: draft.targetIds.map((id, index) => ({ target: { id }, weight: draft.weights[index]! })),
    expectedRevision: draft.revision,
    reason: reason.trim() || null,
  }
  const submit = async (event: FormEvent) => {
    event.preventDefault()
    if (await run(variables)) onDone()
    // After a conflict the other change has to be seen.
    else refresh()
  }
  const rebase = () => {
    clear()
    onRebase()
  }
  return (
    <form className="apply" onSubmit={(event) => void submit(event)}>
      {route.revision !== draft.revision && (
        <Conflict route={route} seenRevision={draft.revision} onDrop={onDone} onRebase={rebase} />
      )}
      <Faults faults={faults.filter(({ code }) => code !== 'REVISION_CONFLICT')} />
      <div className="row">
        <label className="grow">
          <span className="sr-only">Reason</span>
          <input
            value={reason}
            maxLength={500}
            placeholder="Reason, for the history"
            onChange={(event) => setReason(event.target.value)}
          />
        </label>
        <button className="primary" disabled={isRunning || route.revision !== draft.revision}>
          {isRunning ? 'Applying …' : 'Apply'}
        </button>
        <button type="button" onClick={onDone}>
          Drop the draft
        </button>
        <Source of="Switch the traffic" document={SetTraffic} variables={variables} />
      </div>
    </form>
  )
}
