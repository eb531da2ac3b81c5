import { useState } from 'react'
import { graphql } from '../api/graphql.ts'
import { LimitsPanel } from '../limits/limits-panel.tsx'
import { useConfigQuery } from '../live/config-version.tsx'
import { useSession } from '../session/session.tsx'
import { words } from '../ui/figures.ts'
import { Keys } from './keys-document.ts'
import { Source } from '../ui/source.tsx'
import { Loaded } from '../ui/state.tsx'
import { Ago } from '../ui/time.tsx'
import { CreateKeyDialog } from './create-key.tsx'
import { CreateUserDialog } from './create-user.tsx'
import { KeyActions } from './key-actions.tsx'

const Users = graphql(`
  query Users {
    users(first: 100, orderBy: { field: NAME }) {
      edges {
        node {
          id
          name
          role
          state
          apiKeys(first: 1) {
            totalCount
          }
        }
      }
    }
  }
`)

/** Who may call, and how fast: keys, limits and users. Who may call a certain route stands at the route. */
export function AccessScreen() {
  const { may } = useSession()
  return (
    <>
      <KeysPanel />
      <LimitsPanel />
      {may('ADMIN') && <UsersPanel />}
    </>
  )
}

function KeysPanel() {
  const { may } = useSession()
  const variables = { first: 100 }
  const { data, fault } = useConfigQuery(Keys, variables)
  const [isCreating, setCreating] = useState(false)
  const mayManage = may('ADMIN') || may('CONFIG_WRITE')
  return (
    <section className="panel" aria-labelledby="keys-title">
      <header>
        <h1 id="keys-title" className="grow">
          Keys
        </h1>
        {mayManage && (
          <button type="button" className="primary" onClick={() => setCreating(true)}>
            New key
          </button>
        )}
        <Source of="Keys" document={Keys} variables={variables} />
      </header>
      <Loaded data={data} fault={fault}>
        {({ apiKeys }) => (
          <div className="scroll" tabIndex={0}>
            <table className="keys">
              <thead>
                <tr>
                  <th>Name</th>
                  <th>Owner</th>
                  <th>State</th>
                  <th>May</th>
                  <th>Routes</th>
                  <th>Last used</th>
                  <th>Expires</th>
                  <th>
                    <span className="sr-only">Change</span>
                  </th>
                </tr>
              </thead>
              <tbody>
                {apiKeys.edges.map(({ node }) => (
                  <tr key={node.id} data-key={node.name}>
                    <td>
                      {node.name} <span className="hint mono">{node.prefix}…</span>
                    </td>
                    <td>{node.owner.name}</td>
                    <td>
                      <span className={`badge flush ${node.state === 'ACTIVE' ? 'good' : 'bad'}`}>
                        {words(node.state)}
                      </span>
                    </td>
                    <td>{node.scopes.map(words).join(', ')}</td>
                    <td>
                      {node.routes === null
                        ? 'all that let it'
                        : node.routes.map(({ name }) => name).join(', ') || 'none'}
                    </td>
                    <td>{node.lastUsedAt ? <Ago instant={node.lastUsedAt} /> : 'never'}</td>
                    <td>{node.expiresAt ? <Ago instant={node.expiresAt} /> : 'never'}</td>
                    <td className="number">{mayManage && node.state === 'ACTIVE' && <KeyActions apiKey={node} />}</td>
                  </tr>
                ))}
              </tbody>
            </table>
            {apiKeys.totalCount > apiKeys.edges.length && (
              <p className="hint">{apiKeys.totalCount - apiKeys.edges.length} older ones are not shown.</p>
            )}
          </div>
        )}
      </Loaded>
      {isCreating && <CreateKeyDialog onClose={() => setCreating(false)} />}
    </section>
  )
}

function UsersPanel() {
  const { data, fault } = useConfigQuery(Users, {})
  const [isCreating, setCreating] = useState(false)
  return (
    <section className="panel" aria-labelledby="users-title">
      <header>
        <h2 id="users-title">Users</h2>
        <button type="button" onClick={() => setCreating(true)}>
          New user
        </button>
        <Source of="Users" document={Users} />
      </header>
      <Loaded data={data} fault={fault}>
        {({ users }) => (
          <div className="scroll" tabIndex={0}>
            <table>
              <thead>
                <tr>
                  <th>Name</th>
                  <th>Role</th>
                  <th>State</th>
                  <th className="number">Keys</th>
                </tr>
              </thead>
              <tbody>
                {users.edges.map(({ node }) => (
                  <tr key={node.id}>
                    <td>{node.name}</td>
                    <td>{words(node.role)}</td>
                    <td>{words(node.state)}</td>
                    <td className="number">{node.apiKeys.totalCount}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </Loaded>
      {isCreating && <CreateUserDialog onClose={() => setCreating(false)} />}
    </section>
  )
}
