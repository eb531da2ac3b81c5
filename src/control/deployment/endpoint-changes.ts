import type { EndpointConfiguration } from '../../routing/config/configuration.ts'
import type { ServingState } from '../../routing/config/vocabulary.ts'
import { findDeploymentIdOfEndpoint } from '../../storage/deployment/write.ts'
import type { Ref } from '../../storage/database/ref.ts'
import { type Change, commitChange, type EditInput } from '../change/commit.ts'
import type { Actor, Answer, ControlContext } from '../kit/context.ts'
import {
  type EndpointChange,
  type EndpointInput,
  requireFewEndpoints,
  resolveEndpoints,
  updatedEndpoint,
} from './endpoints.ts'
import { refuseInput, type RefusalError } from '../kit/refusal.ts'
import { editDeployment, requireKnownOrigins } from './edit.ts'

export interface DeploymentEndpointStateSetInput extends EditInput {
  readonly endpointId: string
  readonly state: ServingState
}

/** Takes one replica in or out of traffic. The value is the deployment's id. */
export function setDeploymentEndpointState(
  control: ControlContext,
  actor: Actor,
  input: DeploymentEndpointStateSetInput,
): Promise<Answer<string>> {
  return commitChange(control, { actor, action: 'deploymentEndpointStateSet', input }, (change) =>
    editEndpoint(change, input, (endpoint) => [{ ...endpoint, state: input.state }]),
  )
}

export interface DeploymentEndpointAddInput extends EditInput {
  readonly deployment: Ref
  readonly endpoint: EndpointInput
}

/** Adds a replica; the others stay as they are. The value is the deployment's id. */
export function addDeploymentEndpoint(
  control: ControlContext,
  actor: Actor,
  input: DeploymentEndpointAddInput,
): Promise<Answer<string>> {
  return commitChange(control, { actor, action: 'deploymentEndpointAdd', input }, (change) =>
    editDeployment(change, input.deployment, input.expectedRevision, (before) => {
      const [added] = resolveEndpoints([input.endpoint], [], ['input'], control.upstreams, () => ['input', 'endpoint'])
      if (before.endpoints.some((endpoint) => endpoint.url === added!.url))
        throw refuseInput('TAKEN', ['input', 'endpoint', 'url'], 'The deployment has this endpoint already.')
      const after = { ...before, endpoints: requireFewEndpoints([...before.endpoints, added!]) }
      requireKnownOrigins(before, after, () => ['input', 'endpoint', 'url'])
      return after
    }),
  )
}

export interface DeploymentEndpointUpdateInput extends EditInput, EndpointChange {
  readonly endpointId: string
}

/** Changes the given members of one endpoint; omitted members stay. The value is the deployment's id. */
export function updateDeploymentEndpoint(
  control: ControlContext,
  actor: Actor,
  input: DeploymentEndpointUpdateInput,
): Promise<Answer<string>> {
  return commitChange(control, { actor, action: 'deploymentEndpointUpdate', input }, (change) =>
    editEndpoint(change, input, (endpoint) => [updatedEndpoint(endpoint, input)]),
  )
}

export interface DeploymentEndpointRemoveInput extends EditInput {
  readonly endpointId: string
}

/** Removes one replica. The value is the deployment's id. */
export function removeDeploymentEndpoint(
  control: ControlContext,
  actor: Actor,
  input: DeploymentEndpointRemoveInput,
): Promise<Answer<string>> {
  return commitChange(control, { actor, action: 'deploymentEndpointRemove', input }, (change) =>
    editEndpoint(change, input, () => []),
  )
}

/** Replaces one endpoint by the result of `edit`. */
async function editEndpoint(
  change: Change,
  { endpointId, expectedRevision }: EditInput & { readonly endpointId: string },
  edit: (endpoint: EndpointConfiguration) => readonly EndpointConfiguration[],
): Promise<string> {
  const id = await findDeploymentIdOfEndpoint(change.tx, endpointId)
  if (!id) throw noSuchEndpoint()
  return editDeployment(change, { id }, expectedRevision, (before) => {
    // The endpoint may have been removed before its deployment was locked.
    if (!before.endpoints.some((endpoint) => endpoint.id === endpointId)) throw noSuchEndpoint()
    const endpoints = before.endpoints.flatMap((each) => (each.id === endpointId ? edit(each) : [each]))
    return { ...before, endpoints }
  })
}

function noSuchEndpoint(): RefusalError {
  return refuseInput('NOT_FOUND', ['input', 'endpointId'], 'There is no such endpoint.')
}
