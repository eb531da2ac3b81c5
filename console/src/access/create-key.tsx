import { type FormEvent, useState } from 'react'
import { graphql } from '../api/graphql.ts'
import { Faults } from '../change/faults.tsx'
import { useChange } from '../change/use-change.ts'
import { useConfigQuery } from '../live/config-version.tsx'
import { useSession } from '../session/session.tsx'
import { Dialog } from '../ui/dialog.tsx'
import { words } from '../ui/figures.ts'
import { formText } from '../ui/form-text.ts'
import { Source } from '../ui/source.tsx'
import { ShownSecret } from './shown-secret.tsx'

export const CreateKey = graphql(`
  mutation CreateKey($name: String!, $ownerId: ID, $scopes: [ApiKeyScope!]!, $expiresAt: DateTime) {
    apiKeyCreate(input: { name: $name, ownerId: $ownerId, scopes: $scopes, expiresAt: $expiresAt }) {
      userErrors {
        code
        message
      }
      applied
      secret
      apiKey {
        id
        name
      }
    }
  }
`)

const Owners = graphql(`
  query Owners {
    users(first: 100, orderBy: { field: NAME }) {
      edges {
        node {
          id
          name
        }
      }
    }
  }
`)

const scopes = ['INFERENCE', 'CONFIG_READ', 'CONFIG_WRITE', 'TRAFFIC_WRITE', 'USAGE_READ', 'ADMIN'] as const

export function CreateKeyDialog({ onClose }: { readonly onClose: () => void }) {
  const { may } = useSession()
  const [chosen, setChosen] = useState<readonly (typeof scopes)[number][]>(['INFERENCE'])
  const [secret, setSecret] = useState<string>()
  const { data } = useConfigQuery(Owners, {}, may('ADMIN'))
  const { run, faults, isRunning } = useChange(CreateKey, 'The key is there.')
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = event.currentTarget
    const expires = formText(form, 'expires')
    const payload = await run({
      name: formText(form, 'name'),
      ownerId: formText(form, 'owner') || null,
      scopes: [...chosen],
      expiresAt: expires ? new Date(`${expires}T00:00:00`).toISOString() : null,
    })
    if (payload?.secret) setSecret(payload.secret)
  }
  if (secret) return <ShownSecret secret={secret} onClose={onClose} />
  return (
    <Dialog title="New key" onClose={onClose}>
      <form onSubmit={(event) => void submit(event)}>
        <label>
          Name
          <input name="name" required maxLength={100} placeholder="my application" />
        </label>
        {may('ADMIN') && (
          <label>
            Owner
            <select name="owner">
              <option value="">myself</option>
              {data?.users.edges.map(({ node }) => (
                <option key={node.id} value={node.id}>
                  {node.name}
                </option>
              ))}
            </select>
          </label>
        )}
        <fieldset>
          <legend>It may</legend>
          {scopes.map((scope) => (
            <label key={scope} className="check">
              <input
                type="checkbox"
                checked={chosen.includes(scope)}
                onChange={(event) =>
                  setChosen(event.target.checked ? [...chosen, scope] : chosen.filter((other) => other !== scope))
                }
              />{' '}
              {words(scope)}
            </label>
          ))}
        </fieldset>
        <label>
          Expires
          <input type="date" name="expires" />
        </label>
        <Faults faults={faults} />
        <footer>
          <button className="primary" disabled={isRunning || chosen.length === 0}>
            Create
          </button>
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <Source of="Create a key" document={CreateKey} variables={{ name: 'my application', scopes: chosen }} />
        </footer>
      </form>
    </Dialog>
  )
}
