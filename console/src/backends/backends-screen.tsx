import { type FormEvent, useState } from 'react'
import { graphql } from '../api/graphql.ts'
import { Faults } from '../change/faults.tsx'
import { useChange } from '../change/use-change.ts'
import { useConfigQuery } from '../live/config-version.tsx'
import { useSession } from '../session/session.tsx'
import { Dialog } from '../ui/dialog.tsx'
import { milliseconds, words } from '../ui/figures.ts'
import { formText } from '../ui/form-text.ts'
import { Backends, type ProviderNode } from './backends-document.ts'
import { Source } from '../ui/source.tsx'
import { Empty, Loaded } from '../ui/state.tsx'
import { Circuit } from './circuit.tsx'
import { DeploymentPanel } from './deployment-panel.tsx'

const Probe = graphql(`
  mutation Probe($provider: ID!) {
    providerProbe(input: { stored: { id: $provider } }) {
      userErrors {
        code
        message
      }
      latencyMs
      models {
        upstreamModel
        selected
      }
    }
  }
`)

const AddRoute = graphql(`
  mutation AddRoute($provider: ID!, $model: String!, $name: String!) {
    providerRouteCreate(input: { provider: { id: $provider }, model: $model, name: $name }) {
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

/** What routes can send requests to, and how it is. */
export function BackendsScreen() {
  const { data, fault } = useConfigQuery(Backends, {})
  return (
    <>
      <header className="row spread">
        <h1>Backends</h1>
        <Source of="Backends" document={Backends} />
      </header>
      <Loaded data={data} fault={fault}>
        {({ deployments, providers }) => (
          <>
            <h2>Deployments: models of your own</h2>
            {deployments.edges.length === 0 && <Empty>None yet.</Empty>}
            {deployments.edges.map(({ node }) => (
              <DeploymentPanel key={node.id} deployment={node} />
            ))}
            <h2>Providers: services with a key of their own</h2>
            {providers.edges.length === 0 && <Empty>None yet.</Empty>}
            {providers.edges.map(({ node }) => (
              <ProviderPanel key={node.id} provider={node} />
            ))}
          </>
        )}
      </Loaded>
    </>
  )
}

function ProviderPanel({ provider }: { readonly provider: ProviderNode }) {
  const { may } = useSession()
  const [isAdding, setAdding] = useState(false)
  const { models, credentials } = provider
  return (
    <section className="panel" aria-label={provider.name} data-provider={provider.name}>
      <header>
        <h3 className="grow">
          {provider.name}
          <span className="badge">{words(provider.kind)}</span>
          {provider.state !== 'ACTIVE' && <span className="badge warn">{words(provider.state)}</span>}
        </h3>
        {may('CONFIG_WRITE') && (
          <>
            <ProbeButton provider={provider} />
            <button type="button" className="small" disabled={models.length === 0} onClick={() => setAdding(true)}>
              Add route
            </button>
          </>
        )}
      </header>
      <p className="hint">
        <code>{provider.baseUrl}</code>
        {credentials.map(({ id, hint, health }) => (
          <span key={id}>
            {' · key '}
            {hint} <Circuit health={health} />
          </span>
        ))}
        {credentials.length === 0 && ' · without a key'}
      </p>
      <div className="scroll" tabIndex={0}>
        <table>
          <thead>
            <tr>
              <th>Model</th>
              <th>Circuit</th>
              <th className="number">USD per million, in / out</th>
              <th className="number">Routes</th>
              <th>Last error</th>
            </tr>
          </thead>
          <tbody>
            {models.map(({ id, upstreamModel, health, pricing, routes }) => (
              <tr key={id}>
                <td>{upstreamModel}</td>
                <td>
                  <Circuit health={health} />
                </td>
                <td className="number">{pricing ? `${pricing.inputPerMillion} / ${pricing.outputPerMillion}` : '—'}</td>
                <td className="number">{routes.totalCount}</td>
                <td className="fault">{health?.lastError}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {isAdding && <AddRouteDialog provider={provider} onClose={() => setAdding(false)} />}
    </section>
  )
}

function ProbeButton({ provider }: { readonly provider: ProviderNode }) {
  const [found, setFound] = useState<string>()
  const { run, faults, isRunning } = useChange(Probe, `${provider.name} answered.`)
  const variables = { provider: provider.id }
  const probe = async () => {
    setFound(undefined)
    const payload = await run(variables)
    if (payload) setFound(`${payload.models?.length ?? 0} models in ${milliseconds(payload.latencyMs ?? 0)}`)
  }
  return (
    <>
      <span className="hint" role="status">
        {found}
        {faults.map(({ message }) => message).join(' ')}
      </span>
      <button type="button" className="small" disabled={isRunning} onClick={() => void probe()}>
        Probe
      </button>
      <Source of={`Probe ${provider.name}`} document={Probe} variables={variables} />
    </>
  )
}

function AddRouteDialog({ provider, onClose }: { readonly provider: ProviderNode; readonly onClose: () => void }) {
  const [model, setModel] = useState(provider.models[0]!.upstreamModel)
  const [name, setName] = useState(model)
  const { run, faults, isRunning } = useChange(AddRoute, `Route ${name} is there.`)
  const variables = { provider: provider.id, model, name }
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    if (await run({ ...variables, name: formText(event.currentTarget, 'name') })) onClose()
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
