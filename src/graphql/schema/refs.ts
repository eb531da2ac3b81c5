/**
 * The object types by name, before they have fields: types refer to each other in circles, files must not. A file of the
 * same name implements each.
 */
import type { Actor } from '../../control/kit/context.ts'
import type { ApiKeyRow } from '../../storage/api-key/read.ts'
import type { UsageRecord } from '../../routing/usage/record.ts'
import type { AuditEntryRow } from '../../storage/audit/read.ts'
import type { DeploymentEndpointRow, DeploymentRow } from '../../storage/deployment/read.ts'
import type { ProviderModelRow, ProviderRow } from '../../storage/provider/read.ts'
import type { RouteRow } from '../../storage/route/write.ts'
import type { RouteRevisionRow, RouteTargetRow } from '../../storage/route/read.ts'
import type { UserRow } from '../../storage/user/read.ts'
import type { BudgetRow } from '../../storage/budget/read.ts'
import type { RateLimitRow } from '../../storage/limit/read.ts'
import { builder } from './builder.ts'

/** A row with a global id. The prefix of the id names the type. */
export interface NodeRow {
  readonly id: string
}
export type BackendRow = ProviderModelRow | DeploymentRow
/** The platform itself, as history records it: `system:` and a name. */
export interface SystemActorRow {
  readonly id: `system:${string}`
}

export const NodeRef = builder.interfaceRef<NodeRow>('Node')
export const VersionedRef = builder.interfaceRef<Pick<RouteRow, 'revision' | 'created_at' | 'updated_at'>>('Versioned')
export const RouteBackendRef = builder.interfaceRef<BackendRow>('RouteBackend')

export const ProviderRef = builder.objectRef<ProviderRow>('Provider')
export const ProviderModelRef = builder.objectRef<ProviderModelRow>('ProviderModel')
export const DeploymentRef = builder.objectRef<DeploymentRow>('Deployment')
export const DeploymentEndpointRef = builder.objectRef<DeploymentEndpointRow>('DeploymentEndpoint')
export const RouteRef = builder.objectRef<RouteRow>('Route')
export const RouteTargetRef = builder.objectRef<RouteTargetRow>('RouteTarget')
export const RouteRevisionRef = builder.objectRef<RouteRevisionRow>('RouteRevision')
export const UserRef = builder.objectRef<UserRow>('User')
export const ApiKeyRef = builder.objectRef<ApiKeyRow>('ApiKey')
export const SystemActorRef = builder.objectRef<SystemActorRow>('SystemActor')
export const AuditEntryRef = builder.objectRef<AuditEntryRow>('AuditEntry')
export const RequestLogRef = builder.objectRef<UsageRecord>('RequestLog')
export const RateLimitRef = builder.objectRef<RateLimitRow>('RateLimit')
export const BudgetRef = builder.objectRef<BudgetRow>('Budget')
export const InstallationRef = builder.objectRef<NodeRow>('Installation')
export const ViewerRef = builder.objectRef<Actor>('Viewer')
