import { type FormEvent, useState } from 'react'
import { graphql, type VariablesOf } from '../api/graphql.ts'
import { Faults } from '../change/faults.tsx'
import { useChange } from '../change/use-change.ts'
import { useConfigQuery } from '../live/config-version.tsx'
import { Choices } from '../ui/choices.tsx'
import { Dialog } from '../ui/dialog.tsx'
import { Source } from '../ui/source.tsx'
import type { ProviderNode } from './backends-document.ts'

const AddRoute = graphql(`
  mutation AddRoute($input: ProviderRouteCreateInput!) {
    providerRouteCreate(input: $input) {
      userErrors {
        code
        message
      }
      applied
      route {
        id
        name
      }
    }
  }
`)

const Keys = graphql(`
  query RouteKeys {
    apiKeys(first: 100) {
      edges {
        node {
          id
          name
          state
        }
      }
    }
  }
`)

type Access = NonNullable<VariablesOf<typeof AddRoute>['input']['access']>

/** A route to one of the provider's models, and who may call it. */
export function AddRouteDialog({
  provider,
  onClose,
}: {
  readonly provider: ProviderNode
  readonly onClose: () => void
}) {
  const [model, setModel] = useState(provider.models[0]!.upstreamModel)
  const [name, setName] = useState(model)
  const [policy, setPolicy] = useState<Access['policy']>('AUTHENTICATED')
  const [apiKeyIds, setApiKeyIds] = useState<readonly string[]>([])
  const { run, faults, isRunning } = useChange(AddRoute, `Route ${name} is there.`)
  const access: Access = { policy, apiKeyIds: policy === 'RESTRICTED' ? [...apiKeyIds] : [] }
  const variables = { input: { provider: { id: provider.id }, model, name: name.trim(), access } }
  const submit = async (event: FormEvent) => {
    event.preventDefault()
    if (await run(variables)) onClose()
  }
  return (
    <Dialog title={`A route to ${provider.name}`} onClose={onClose}>
      <form onSubmit={(event) => void submit(event)}>
        <label>
          Model
          <select
            value={model}
            onChange={(event) => {
              if (name === model) setName(event.target.value)
              setModel(event.target.value)
            }}
          >
            {provider.models.map(({ id, upstreamModel }) => (
              <option key={id}>{upstreamModel}</option>
            ))}
          </select>
        </label>
        <label>
          Name that clients send as model
          <input name="name" required value={name} onChange={(event) => setName(event.target.value)} />
        </label>
        <label>
          Who may call it
          <select value={policy} onChange={(event) => setPolicy(event.target.value as Access['policy'])}>
            <option value="AUTHENTICATED">any active key</option>
            <option value="RESTRICTED">only these keys</option>
            <option value="PUBLIC">anyone, without a key</option>
          </select>
        </label>
        {policy === 'RESTRICTED' && <KeyChoices chosen={apiKeyIds} onChange={setApiKeyIds} />}
        <Faults faults={faults} />
        <footer>
          <button className="primary" disabled={isRunning}>
            Add route
          </button>
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <Source of="Add a route" document={AddRoute} variables={variables} />
        </footer>
      </form>
    </Dialog>
  )
}

interface KeyChoicesProps {
  readonly chosen: readonly string[]
  readonly onChange: (ids: readonly string[]) => void
}

function KeyChoices({ chosen, onChange }: KeyChoicesProps) {
  const { data } = useConfigQuery(Keys, {})
  const keys = data?.apiKeys.edges.map(({ node }) => node).filter(({ state }) => state === 'ACTIVE') ?? []
  return <Choices legend="Keys" all={keys} chosen={chosen} onChange={onChange} />
}
