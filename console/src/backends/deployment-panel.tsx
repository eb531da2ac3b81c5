import { useState } from 'react'
import { Link } from 'wouter'
import { graphql } from '../api/graphql.ts'
import { Faults } from '../change/faults.tsx'
import { useChange } from '../change/use-change.ts'
import { useSession } from '../session/session.tsx'
import { words } from '../ui/figures.ts'
import { Source } from '../ui/source.tsx'
import { Ago } from '../ui/time.tsx'
import type { DeploymentNode } from './backends-document.ts'
import { Circuit } from './circuit.tsx'
import { AddEndpointDialog, EditDeploymentDialog, EditEndpointDialog } from './edit-deployment.tsx'

const SetEndpointState = graphql(`
  mutation SetEndpointState($endpoint: ID!, $state: ServingState!) {
    deploymentEndpointStateSet(input: { endpointId: $endpoint, state: $state }) {
      userErrors {
        code
        message
      }
      applied
      deployment {
        id
        revision
        readyEndpoints
        endpoints {
          id
          state
        }
      }
    }
  }
`)

export function DeploymentPanel({ deployment }: { readonly deployment: DeploymentNode }) {
  const { may } = useSession()
  const [open, setOpen] = useState<'edit' | 'endpoint'>()
  const close = () => setOpen(undefined)
  const { name, engine, state, endpoints, readyEndpoints, upstreamModel, warnings, routes } = deployment
  const isReady = readyEndpoints > 0
  return (
    <section className="panel" aria-label={name} data-deployment={name}>
      <header>
        <h3 className="grow">
          {name}
          <span className="badge">{words(engine)}</span>
          <span className={`badge ${isReady ? 'good' : 'bad'}`}>
            {readyEndpoints} of {endpoints.length} ready
          </span>
          {state !== 'ACTIVE' && <span className="badge warn">{words(state)}</span>}
        </h3>
        {may('CONFIG_WRITE') && (
          <>
            <button type="button" className="small" onClick={() => setOpen('endpoint')}>
              Add endpoint
            </button>
            <button type="button" className="small" onClick={() => setOpen('edit')}>
              Edit
            </button>
          </>
        )}
      </header>
      <p className="hint">
        served as <code>{upstreamModel}</code>
        {routes.edges.length > 0 && ' · in '}
        {routes.edges.map(({ node }, index) => (
          <span key={node.id}>
            {index > 0 && ', '}
            <Link href={`/routes/${node.id}`}>{node.name}</Link>
          </span>
        ))}
      </p>
      {deployment.description && <p>{deployment.description}</p>}
      {warnings.map(({ code, message }) => (
        <p key={code + message} className="reasons">
          {message}
        </p>
      ))}
      <div className="scroll" tabIndex={0}>
        <table>
          <thead>
            <tr>
              <th>Endpoint</th>
              <th>State</th>
              <th>Circuit</th>
              <th className="number">In flight</th>
              <th>Last error</th>
              <th>
                <span className="sr-only">Change</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {endpoints.map((endpoint) => (
              <EndpointRow key={endpoint.id} deployment={deployment} endpoint={endpoint} />
            ))}
          </tbody>
        </table>
      </div>
      {open === 'endpoint' && <AddEndpointDialog deployment={deployment} onClose={close} />}
      {open === 'edit' && <EditDeploymentDialog deployment={deployment} onClose={close} />}
    </section>
  )
}

interface RowProps {
  readonly deployment: DeploymentNode
  readonly endpoint: DeploymentNode['endpoints'][number]
}

function EndpointRow({ deployment, endpoint }: RowProps) {
  const { may } = useSession()
  const [isEditing, setEditing] = useState(false)
  const { id, url, state, inFlight, maxInFlight, health } = endpoint
  const next = state === 'ACTIVE' ? 'DRAINING' : 'ACTIVE'
  const { run, faults, isRunning } = useChange(SetEndpointState, `${url} is ${words(next)}.`)
  const variables = { endpoint: id, state: next } as const
  return (
    <tr>
      <td className="mono">{url}</td>
      <td>{words(state)}</td>
      <td>
        <Circuit health={health} />
        {health && health.consecutiveFailures > 0 && (
          <span className="hint"> {health.consecutiveFailures} failures in a row</span>
        )}
      </td>
      <td className="number">
        {inFlight}
        {maxInFlight !== null && ` of ${maxInFlight}`}
      </td>
      <td>
        {health?.lastError && (
          <>
            <span className="fault">{health.lastError}</span>{' '}
            <span className="hint">
              <Ago instant={health.observedAt} />
            </span>
          </>
        )}
      </td>
      <td className="number">
        {may('CONFIG_WRITE') && (
          <>
            <button
              type="button"
              className="small"
              disabled={isRunning}
              aria-label={`${state === 'ACTIVE' ? 'Drain' : 'Activate'} ${url}`}
              onClick={() => void run(variables)}
            >
              {state === 'ACTIVE' ? 'Drain' : 'Activate'}
            </button>
            <Source of={`State of ${url}`} document={SetEndpointState} variables={variables} />
            <button type="button" className="small" aria-label={`Edit ${url}`} onClick={() => setEditing(true)}>
              Edit
            </button>
            {isEditing && (
              <EditEndpointDialog deployment={deployment} endpoint={endpoint} onClose={() => setEditing(false)} />
            )}
          </>
        )}
        <Faults faults={faults} />
      </td>
    </tr>
  )
}
