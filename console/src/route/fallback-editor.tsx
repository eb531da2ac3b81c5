import { type FormEvent, useState } from 'react'
import { graphql } from '../api/graphql.ts'
import { Faults } from '../change/faults.tsx'
import { useChange } from '../change/use-change.ts'
import { backendsOf, BackendNames } from '../backends/backend-names.ts'
import { useConfigQuery } from '../live/config-version.tsx'
import { useSession } from '../session/session.tsx'
import { Dialog } from '../ui/dialog.tsx'
import { formText } from '../ui/form-text.ts'
import { Source } from '../ui/source.tsx'
import type { RouteDetail } from './route-details.ts'

const FallbackSet = graphql(`
  mutation SetFallback($route: ID!, $fallback: RouteFallbackInput, $expectedRevision: Int!, $reason: String) {
    routeFallbackSet(
      input: { route: { id: $route }, fallback: $fallback, expectedRevision: $expectedRevision, reason: $reason }
    ) {
      userErrors {
        code
        message
      }
      applied
      route {
        id
        revision
        fallback {
          triggers
          maxAttempts
          backends {
            __typename
            id
            label
          }
        }
      }
    }
  }
`)

/** A button that opens the chain for changing. */
export function SetFallback({ route }: { readonly route: RouteDetail }) {
  const { may } = useSession()
  const [isOpen, setOpen] = useState(false)
  if (!may('CONFIG_WRITE') && !may('TRAFFIC_WRITE')) return null
  return (
    <>
      <button type="button" className="small" onClick={() => setOpen(true)}>
        Change
      </button>
      {isOpen && <FallbackDialog route={route} onClose={() => setOpen(false)} />}
    </>
  )
}

function FallbackDialog({ route, onClose }: { readonly route: RouteDetail; readonly onClose: () => void }) {
  const [expectedRevision] = useState(route.revision)
  const [chain, setChain] = useState(() => route.fallback?.backends.map(({ id, label }) => ({ id, label })) ?? [])
  const { data } = useConfigQuery(BackendNames, {})
  const { run, faults, isRunning } = useChange(FallbackSet, `The fallback of ${route.name} is set.`)
  const known = data ? backendsOf(data) : []
  const choices = known.filter(({ id }) => !chain.some((link) => link.id === id))
  const fallback = chain.length > 0 ? { backends: chain.map(({ id }) => ({ id })), ...keptRules(route) } : null
  const variables = { route: route.id, fallback, expectedRevision, reason: null as string | null }
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const reason = formText(event.currentTarget, 'reason')
    if (await run({ ...variables, reason: reason || null })) onClose()
  }
  const moveUp = (index: number) => setChain(chain.toSpliced(index - 1, 2, chain[index]!, chain[index - 1]!))
  return (
    <Dialog title={`Fallback of ${route.name}`} onClose={onClose}>
      <form onSubmit={(event) => void submit(event)}>
        <ol className="stack">
          {chain.map(({ id, label }, index) => (
            <li key={id} className="row">
              <span className="grow">
                {index + 1}. {label}
              </span>
              <button
                type="button"
                className="small"
                disabled={index === 0}
                aria-label={`${label} earlier`}
                onClick={() => moveUp(index)}
              >
                ↑
              </button>
              <button
                type="button"
                className="small"
                aria-label={`Remove ${label}`}
                onClick={() => setChain(chain.toSpliced(index, 1))}
              >
                Remove
              </button>
            </li>
          ))}
        </ol>
        <label>
          Add a backend
          <select
            value=""
            onChange={(event) => setChain([...chain, choices.find(({ id }) => id === event.target.value)!])}
            disabled={choices.length === 0}
          >
            <option value="">{choices.length > 0 ? 'Choose …' : 'No other backend'}</option>
            {choices.map(({ id, label }) => (
              <option key={id} value={id}>
                {label}
              </option>
            ))}
          </select>
        </label>
        <label>
          Reason
          <input name="reason" maxLength={500} />
        </label>
        <Faults faults={faults} />
        <footer>
          <button className="primary" disabled={isRunning}>
            Apply
          </button>
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <Source of="Set the fallback" document={FallbackSet} variables={variables} />
        </footer>
      </form>
    </Dialog>
  )
}

function keptRules({ fallback }: RouteDetail) {
  return fallback ? { triggers: fallback.triggers, maxAttempts: fallback.maxAttempts } : {}
}
