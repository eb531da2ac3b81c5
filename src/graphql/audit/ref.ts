import type { AuditEntryRow } from '../../storage/audit/read.ts'
import { builder } from '../schema/builder.ts'

/** The platform itself, as history records it: `system:` and a name. */
export interface SystemActorRow {
  readonly id: `system:${string}`
}

export const SystemActorRef = builder.objectRef<SystemActorRow>('SystemActor')

export const AuditEntryRef = builder.objectRef<AuditEntryRow>('AuditEntry')
