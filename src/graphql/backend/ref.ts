import type { DeploymentRow } from '../../storage/deployment/read.ts'
import type { ProviderModelRow } from '../../storage/provider/read.ts'
import { builder } from '../schema/builder.ts'

export type BackendRow = ProviderModelRow | DeploymentRow

export const RouteBackendRef = builder.interfaceRef<BackendRow>('RouteBackend')
