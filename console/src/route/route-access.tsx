import { type FormEvent, useState } from 'react'
import { graphql } from '../api/graphql.ts'
import { Faults } from '../change/faults.tsx'
import { useChange } from '../change/use-change.ts'
import { useConfigQuery } from '../live/config-version.tsx'
import { useSession } from '../session/session.tsx'
import { Choices } from '../ui/choices.tsx'
import { formText } from '../ui/form-text.ts'
import { Source } from '../ui/source.tsx'
import type { RouteDetail } from './route-details.ts'

const SetAccess = graphql(`
  mutation SetAccess($route: ID!, $access: RouteAccessInput!, $expectedRevision: Int!, $reason: String) {
    routeAccessSet(
      input: { route: { id: $route }, access: $access, expectedRevision: $expectedRevision, reason: $reason }
    ) {
      userErrors {
        code
        message
      }
      applied
      route {
        id
        revision
        access {
          policy
          users {
            id
            name
          }
          apiKeys {
            id
            name
          }
        }
      }
    }
  }
`)

const Grantees = graphql(`
  query Grantees {
    users(first: 100) {
      edges {
        node {
          id
          name
        }
      }
    }
    apiKeys(first: 100) {
      edges {
        node {
          id
          name
        }
      }
    }
  }
`)

type Policy = RouteDetail['access']['policy']

const policies: readonly (readonly [Policy, string])[] = [
  ['PUBLIC', 'Anyone, without a key'],
  ['AUTHENTICATED', 'Any active key'],
  ['RESTRICTED', 'Only these users and keys'],
]

/** Who may call the route. */
export function RouteAccess({ route }: { readonly route: RouteDetail }) {
  return <AccessForm key={route.revision} route={route} />
}

function AccessForm({ route }: { readonly route: RouteDetail }) {
  const { may } = useSession()
  const [policy, setPolicy] = useState(route.access.policy)
  const [userIds, setUserIds] = useState(() => route.access.users.map(({ id }) => id))
  const [apiKeyIds, setApiKeyIds] = useState(() => route.access.apiKeys.map(({ id }) => id))
  const { data } = useConfigQuery(Grantees, {}, may('ADMIN'))
  const { run, faults, isRunning } = useChange(SetAccess, `Access to ${route.name} is set.`)
  const isRestricted = policy === 'RESTRICTED'
  const access = { policy, userIds: isRestricted ? userIds : [], apiKeyIds: isRestricted ? apiKeyIds : [] }
  const variables = { route: route.id, access, expectedRevision: route.revision, reason: null as string | null }
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const reason = formText(event.currentTarget, 'reason')
    await run({ ...variables, reason: reason || null })
  }
  return (
    <section className="panel" aria-labelledby="access-title">
      <header>
        <h2 id="access-title">Who may call it</h2>
        <Source of="Set the access" document={SetAccess} variables={variables} />
      </header>
      <form className="stack" onSubmit={(event) => void submit(event)}>
        <fieldset className="stack" disabled={!may('CONFIG_WRITE')}>
          <legend className="sr-only">Policy</legend>
          {policies.map(([value, name]) => (
            <label key={value} className="check">
              <input type="radio" name="policy" checked={policy === value} onChange={() => setPolicy(value)} /> {name}
            </label>
          ))}
        </fieldset>
        {isRestricted && (
          <div className="form-grid">
            <Choices
              legend="Users"
              all={data?.users.edges.map(({ node }) => node) ?? route.access.users}
              chosen={userIds}
              onChange={setUserIds}
            />
            <Choices
              legend="Keys"
              all={data?.apiKeys.edges.map(({ node }) => node) ?? route.access.apiKeys}
              chosen={apiKeyIds}
              onChange={setApiKeyIds}
            />
          </div>
        )}
        {may('CONFIG_WRITE') && (
          <>
            <label>
              Reason
              <input name="reason" maxLength={500} />
            </label>
            <Faults faults={faults} />
            <footer>
              <button className="primary" disabled={isRunning}>
                Apply
              </button>
            </footer>
          </>
        )}
      </form>
    </section>
  )
}
