import { useState } from 'react'
import { useConfigQuery } from '../live/config-version.tsx'
import { useSession } from '../session/session.tsx'
import { words } from '../ui/figures.ts'
import { Backends, type ProviderNode } from './backends-document.ts'
import { Source } from '../ui/source.tsx'
import { Empty, Loaded } from '../ui/state.tsx'
import { Circuit } from './circuit.tsx'
import { AddRouteDialog } from './add-route.tsx'
import { ChooseModelsDialog } from './choose-models.tsx'
import { DeploymentPanel } from './deployment-panel.tsx'
import { EditProviderDialog } from './edit-provider.tsx'

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
  const [open, setOpen] = useState<'edit' | 'models' | 'route'>()
  const close = () => setOpen(undefined)
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
            <button type="button" className="small" onClick={() => setOpen('models')}>
              Probe
            </button>
            <button type="button" className="small" onClick={() => setOpen('edit')}>
              Edit
            </button>
            <button
              type="button"
              className="small"
              disabled={models.length === 0}
              title={models.length === 0 ? 'Probe it and choose a model first' : undefined}
              onClick={() => setOpen('route')}
            >
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
        {provider.headerNames.length > 0 && ` · with the headers ${provider.headerNames.join(', ')}`}
      </p>
      {provider.description && <p>{provider.description}</p>}
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
      {open === 'models' && <ChooseModelsDialog provider={provider} onClose={close} />}
      {open === 'edit' && <EditProviderDialog provider={provider} onClose={close} />}
      {open === 'route' && <AddRouteDialog provider={provider} onClose={close} />}
    </section>
  )
}
