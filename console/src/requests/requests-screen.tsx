import { useMemo, useState } from 'react'
import { useSearchParams } from 'wouter'
import { useConfigQuery } from '../live/config-version.tsx'
import { useSession } from '../session/session.tsx'
import { words } from '../ui/figures.ts'
import { Source } from '../ui/source.tsx'
import { Empty, Loaded } from '../ui/state.tsx'
import { FilterChoices, RequestTail, type UsageFilter } from './request-documents.ts'
import { RequestRow } from './request-row.tsx'
import { useTail } from './use-tail.ts'

const outcomes = [
  'OK',
  'OK_BY_FALLBACK',
  'CLIENT_ERROR',
  'DENIED',
  'UPSTREAM_ERROR',
  'TIMEOUT',
  'CANCELLED',
  'TRUNCATED',
  'GATEWAY_ERROR',
  'LIMITED',
] as const

/** Requests as they end. What is filtered stands in the address, so that it can be sent to a colleague. */
export function RequestsScreen() {
  const [search, setSearch] = useSearchParams()
  const [isPaused, setPaused] = useState(false)
  const filter = useMemo(() => filterOf(search), [search])
  const { requests, fault, dropped } = useTail(filter, isPaused)
  const set = (name: string, value: string) =>
    setSearch(
      (before) => {
        const next = new URLSearchParams(before)
        if (value) next.set(name, value)
        else next.delete(name)
        return next
      },
      { replace: true },
    )
  return (
    <section className="panel" aria-labelledby="requests-title">
      <header>
        <h1 id="requests-title">Requests</h1>
        <span className="hint grow" role="status">
          {isPaused ? 'Paused' : 'New ones appear as they end'}
          {dropped > 0 && `; ${dropped} came too fast to be shown`}
        </span>
        <button type="button" className="small" aria-pressed={isPaused} onClick={() => setPaused(!isPaused)}>
          {isPaused ? 'Go on' : 'Pause'}
        </button>
        <Source of="The tail of requests" document={RequestTail} variables={{ filter }} />
      </header>
      <Filters search={search} set={set} />
      <Loaded data={requests} fault={fault}>
        {(loaded) =>
          loaded.length === 0 ? (
            <Empty>No request yet that fits.</Empty>
          ) : (
            <div className="scroll" tabIndex={0}>
              <table className="requests">
                <thead>
                  <tr>
                    <th>Began</th>
                    <th>Route</th>
                    <th>Attempts</th>
                    <th>Outcome</th>
                    <th className="number">First byte</th>
                    <th className="number">Duration</th>
                    <th className="number">Tokens in → out</th>
                    <th className="number">Cost</th>
                    <th>Caller</th>
                  </tr>
                </thead>
                {loaded.map((request) => (
                  <RequestRow key={request.id} request={request} />
                ))}
              </table>
            </div>
          )
        }
      </Loaded>
    </section>
  )
}

interface FiltersProps {
  readonly search: URLSearchParams
  readonly set: (name: string, value: string) => void
}

function Filters({ search, set }: FiltersProps) {
  const { may } = useSession()
  const { data } = useConfigQuery(FilterChoices, {}, may('CONFIG_READ'))
  return (
    <form className="filters" onSubmit={(event) => event.preventDefault()}>
      <Choice
        name="route"
        label="Route"
        search={search}
        set={set}
        choices={data?.routes.edges.map(({ node }) => [node.id, node.name]) ?? []}
      />
      <Choice
        name="outcome"
        label="Outcome"
        search={search}
        set={set}
        choices={outcomes.map((outcome) => [outcome, words(outcome)])}
      />
      <Choice
        name="key"
        label="Key"
        search={search}
        set={set}
        choices={data?.apiKeys.edges.map(({ node }) => [node.id, node.name]) ?? []}
      />
      <label>
        Status
        <input
          inputMode="numeric"
          defaultValue={search.get('status') ?? ''}
          placeholder="any"
          onChange={(event) => set('status', /^\d{3}$/.test(event.target.value) ? event.target.value : '')}
        />
      </label>
      <label className="check">
        <input
          type="checkbox"
          checked={search.has('retried')}
          onChange={(event) => set('retried', event.target.checked ? '1' : '')}
        />{' '}
        more than one attempt
      </label>
    </form>
  )
}

interface ChoiceProps extends FiltersProps {
  readonly name: string
  readonly label: string
  readonly choices: readonly (readonly [string, string])[]
}

function Choice({ name, label, choices, search, set }: ChoiceProps) {
  const value = search.get(name) ?? ''
  return (
    <label>
      {label}
      <select value={value} onChange={(event) => set(name, event.target.value)}>
        <option value="">all</option>
        {choices.map(([key, text]) => (
          <option key={key} value={key}>
            {text}
          </option>
        ))}
      </select>
    </label>
  )
}

/** What the address says; what it cannot mean is left out. */
function filterOf(search: URLSearchParams): UsageFilter {
  const [route, key, status] = [search.get('route'), search.get('key'), search.get('status')]
  const outcome = outcomes.find((name) => name === search.get('outcome'))
  return {
    ...(route && { routeIds: [route] }),
    ...(key && { apiKeyIds: [key] }),
    ...(outcome && { outcomes: [outcome] }),
    ...(status && /^\d{3}$/.test(status) && { statuses: [Number(status)] }),
    ...(search.has('retried') && { retried: true }),
  }
}
