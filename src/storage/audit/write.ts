import type { Insertable } from 'kysely'
import type { AuditChange } from './tables.ts'
import { createId } from '../database/create-id.ts'
import type { Tables } from '../database/tables.ts'

/** Who changed something, when and why. */
export interface HistoryOrigin {
  readonly actorId: string
  /** The actor's name at that time, with its owner's. */
  readonly actorLabel: string
  readonly reason: string | null
  /** The version that the change made. */
  readonly configVersion: number
  /** When that version was counted, which is just before the commit. */
  readonly at: Date
}

/** What was done to one object. */
export interface AuditDraft {
  readonly subjectId: string
  readonly changes: readonly AuditChange[]
}

/** An entry of the audit log as it is stored. */
export function auditRow(
  origin: HistoryOrigin & { readonly action: string },
  { subjectId, changes }: AuditDraft,
): Insertable<Tables['audit_entry']> {
  return {
    id: createId('AuditEntry'),
    at: origin.at,
    actor_id: origin.actorId,
    actor_label: origin.actorLabel,
    action: origin.action,
    subject_id: subjectId,
    reason: origin.reason,
    config_version: origin.configVersion,
    changes: JSON.stringify(changes),
  }
}
