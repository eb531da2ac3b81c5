import { readsConfig } from '../kit/authorisation.ts'
import type { NodeEntries } from '../kit/node-entry.ts'

export const deploymentNodes: NodeEntries<'Deployment' | 'DeploymentEndpoint'> = {
  Deployment: { load: ({ loaders }, id) => loaders.deployment.load(id), scopes: readsConfig },
  DeploymentEndpoint: { load: ({ loaders }, id) => loaders.endpoint.load(id), scopes: readsConfig },
}
