import type { Db } from '../../storage/database/db.ts'
import { listDeploymentProbes } from '../../storage/deployment/probe.ts'
import { listDeploymentsByIds, listEndpointsByIds, listEndpointsOfDeployments } from '../../storage/deployment/read.ts'
import { byId, byParent } from '../kit/batch.ts'

/** What is read of deployments, in batches. */
export function deploymentLoaders(db: Db) {
  return {
    deployment: byId(db, listDeploymentsByIds),
    endpoint: byId(db, listEndpointsByIds),
    endpointsOfDeployment: byParent(db, listEndpointsOfDeployments, (row) => row.deployment_id),
    probesOfDeployment: byParent(db, listDeploymentProbes, (row) => row.deployment_id),
  }
}

export const deploymentPayloadParts = { deployment: ['deployment', 'endpointsOfDeployment'] } as const
