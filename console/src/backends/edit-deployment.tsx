import { graphql, type VariablesOf } from '../api/graphql.ts'
import { EditDialog } from '../change/edit-dialog.tsx'
import { servingState, wholeOrNull } from '../change/fields.ts'
import { formText } from '../ui/form-text.ts'
import type { DeploymentNode } from './backends-document.ts'
import { StateField } from './state-field.tsx'

const UpdateDeployment = graphql(`
  mutation UpdateDeployment($input: DeploymentUpdateInput!) {
    deploymentUpdate(input: $input) {
      userErrors {
        code
        message
      }
      applied
      deployment {
        id
        revision
        name
        description
        upstreamModel
        state
      }
    }
  }
`)

type Input = VariablesOf<typeof UpdateDeployment>['input']

/** What is said of a deployment as a whole; its endpoints are changed one by one. */
export function EditDeploymentDialog({
  deployment,
  onClose,
}: {
  readonly deployment: DeploymentNode
  readonly onClose: () => void
}) {
  const { name, description, upstreamModel, state } = deployment
  return (
    <EditDialog
      title={`Edit ${name}`}
      said={`${name} is changed.`}
      subject={deployment}
      document={UpdateDeployment}
      read={readDeployment}
      onClose={onClose}
    >
      <label>
        Name
        <input name="name" required maxLength={100} defaultValue={name} />
      </label>
      <label>
        Description
        <input name="description" defaultValue={description} />
      </label>
      <label>
        Model’s name at the server
        <input name="upstreamModel" required defaultValue={upstreamModel} spellCheck={false} />
      </label>
      <StateField state={state} />
      <label>
        New key of its endpoints
        <input name="secret" type="password" autoComplete="off" placeholder="empty: as it is" />
      </label>
    </EditDialog>
  )
}

function readDeployment(form: HTMLFormElement, deployment: DeploymentNode): Input {
  const [name, description] = [formText(form, 'name'), formText(form, 'description')]
  const [upstreamModel, secret] = [formText(form, 'upstreamModel'), formText(form, 'secret')]
  const state = servingState(form)
  return {
    deployment: { id: deployment.id },
    ...(name !== deployment.name && { name }),
    ...(description !== deployment.description && { description }),
    ...(upstreamModel !== deployment.upstreamModel && { upstreamModel }),
    ...(state !== deployment.state && { state }),
    ...(secret && { secret }),
  }
}

const UpdateEndpoint = graphql(`
  mutation UpdateEndpoint($input: DeploymentEndpointUpdateInput!) {
    deploymentEndpointUpdate(input: $input) {
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
          weight
          maxInFlight
        }
      }
    }
  }
`)

const AddEndpoint = graphql(`
  mutation AddEndpoint($input: DeploymentEndpointAddInput!) {
    deploymentEndpointAdd(input: $input) {
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
          url
          state
          weight
          maxInFlight
        }
      }
    }
  }
`)

interface EndpointProps {
  readonly deployment: DeploymentNode
  readonly onClose: () => void
}

/** One replica: its share of the deployment's traffic, how much it takes, whether it serves. */
export function EditEndpointDialog({
  deployment,
  endpoint,
  onClose,
}: EndpointProps & { readonly endpoint: DeploymentNode['endpoints'][number] }) {
  return (
    <EditDialog
      title={`Edit ${endpoint.url}`}
      said={`${endpoint.url} is changed.`}
      subject={deployment}
      document={UpdateEndpoint}
      read={(form): VariablesOf<typeof UpdateEndpoint>['input'] => ({
        endpointId: endpoint.id,
        weight: Number(formText(form, 'weight')),
        maxInFlight: wholeOrNull(form, 'maxInFlight'),
        state: servingState(form),
      })}
      onClose={onClose}
    >
      <EndpointFields weight={endpoint.weight} maxInFlight={endpoint.maxInFlight} />
      <StateField state={endpoint.state} />
    </EditDialog>
  )
}

export function AddEndpointDialog({ deployment, onClose }: EndpointProps) {
  return (
    <EditDialog
      title={`A new endpoint of ${deployment.name}`}
      said={`${deployment.name} has another endpoint.`}
      subject={deployment}
      document={AddEndpoint}
      action="Add it"
      read={(form): VariablesOf<typeof AddEndpoint>['input'] => ({
        deployment: { id: deployment.id },
        endpoint: {
          url: formText(form, 'url'),
          weight: Number(formText(form, 'weight')),
          maxInFlight: wholeOrNull(form, 'maxInFlight'),
        },
      })}
      onClose={onClose}
    >
      <label>
        Base URL
        <input name="url" type="url" required placeholder="http://10.0.0.7:8000/v1" spellCheck={false} />
      </label>
      <EndpointFields weight={1} maxInFlight={null} />
    </EditDialog>
  )
}

function EndpointFields({ weight, maxInFlight }: { readonly weight: number; readonly maxInFlight: number | null }) {
  return (
    <div className="form-grid">
      <label>
        Weight among the endpoints
        <input name="weight" type="number" min={0} step={1} required defaultValue={weight} />
      </label>
      <label>
        Requests at the same time, at most
        <input
          name="maxInFlight"
          type="number"
          min={1}
          step={1}
          defaultValue={maxInFlight ?? ''}
          placeholder="not bounded"
        />
      </label>
    </div>
  )
}
