import type { DeploymentEndpointRow, DeploymentRow } from '../../storage/deployment/read.ts'
import { builder } from '../schema/builder.ts'

export const DeploymentRef = builder.objectRef<DeploymentRow>('Deployment')

export const DeploymentEndpointRef = builder.objectRef<DeploymentEndpointRow>('DeploymentEndpoint')
