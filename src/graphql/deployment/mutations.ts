import type { Answer } from '../../control/kit/context.ts'
import {
  addDeploymentEndpoint,
  removeDeploymentEndpoint,
  setDeploymentEndpointState,
  updateDeploymentEndpoint,
} from '../../control/deployment/endpoint-changes.ts'
import { createDeployment, type DeploymentAndRoute } from '../../control/deployment/create.ts'
import { removeDeployment } from '../../control/deployment/delete.ts'
import { updateDeployment } from '../../control/deployment/update.ts'
import { writesConfig } from '../kit/authorisation.ts'
import { builder } from '../schema/builder.ts'
import {
  DeploymentCreateInput,
  DeploymentDeleteInput,
  DeploymentEndpointAddInput,
  DeploymentEndpointRemoveInput,
  DeploymentEndpointStateSetInput,
  DeploymentEndpointUpdateInput,
  DeploymentUpdateInput,
} from './input.ts'
import { DeploymentPayload } from './payload.ts'
import { DeletePayload, runCommand } from '../kit/payload.ts'

builder.mutationFields((t) => ({
  deploymentCreate: t.field({
    type: DeploymentPayload,
    nullable: true,
    description: 'Creates a deployment and, unless `enableModelRoute` is false, a route of the same name.',
    authScopes: writesConfig,
    args: { input: t.arg({ type: DeploymentCreateInput, required: true, description: 'The deployment.' }) },
    resolve: async (_root, { input }, context) => withDeploymentId(await runCommand(context, createDeployment, input)),
  }),
  deploymentUpdate: t.field({
    type: DeploymentPayload,
    nullable: true,
    description: 'Changes a deployment.',
    authScopes: writesConfig,
    args: { input: t.arg({ type: DeploymentUpdateInput, required: true, description: 'What to change.' }) },
    resolve: (_root, { input }, context) => runCommand(context, updateDeployment, input),
  }),
  deploymentEndpointStateSet: t.field({
    type: DeploymentPayload,
    nullable: true,
    description: 'Takes one endpoint in or out of traffic.',
    authScopes: writesConfig,
    args: {
      input: t.arg({
        type: DeploymentEndpointStateSetInput,
        required: true,
        description: 'The endpoint and its new state.',
      }),
    },
    resolve: (_root, { input }, context) => runCommand(context, setDeploymentEndpointState, input),
  }),
  deploymentEndpointAdd: t.field({
    type: DeploymentPayload,
    nullable: true,
    description: 'Adds an endpoint; the others stay as they are.',
    authScopes: writesConfig,
    args: { input: t.arg({ type: DeploymentEndpointAddInput, required: true, description: 'The endpoint.' }) },
    resolve: (_root, { input }, context) => runCommand(context, addDeploymentEndpoint, input),
  }),
  deploymentEndpointUpdate: t.field({
    type: DeploymentPayload,
    nullable: true,
    description: 'Changes one endpoint.',
    authScopes: writesConfig,
    args: { input: t.arg({ type: DeploymentEndpointUpdateInput, required: true, description: 'What to change.' }) },
    resolve: (_root, { input }, context) => runCommand(context, updateDeploymentEndpoint, input),
  }),
  deploymentEndpointRemove: t.field({
    type: DeploymentPayload,
    nullable: true,
    description: 'Removes one endpoint.',
    authScopes: writesConfig,
    args: { input: t.arg({ type: DeploymentEndpointRemoveInput, required: true, description: 'What to remove.' }) },
    resolve: (_root, { input }, context) => runCommand(context, removeDeploymentEndpoint, input),
  }),
  deploymentDelete: t.field({
    type: DeletePayload,
    nullable: true,
    description: 'Deletes a deployment, and the route that was created with it if that route has no other target.',
    authScopes: writesConfig,
    args: { input: t.arg({ type: DeploymentDeleteInput, required: true, description: 'What to delete.' }) },
    resolve: (_root, { input }, context) => runCommand(context, removeDeployment, input),
  }),
}))

function withDeploymentId(answer: Answer<DeploymentAndRoute>): Answer<string> {
  return answer.ok ? { ...answer, value: answer.value.deploymentId } : answer
}
