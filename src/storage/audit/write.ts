import type { AuditChange } from './tables.ts'
import { createId } from '../database/create-id.ts'
import type { Tx } from '../database/db.ts'

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

/**
 * Adds entries to the audit log. Entries are never changed or removed. Call it under the version lock: the column `position` counts
 * inserts, and readers of the log rely on it as the order of the commits.
 */
export async function insertAuditEntries(
  tx: Tx,
  origin: HistoryOrigin & { readonly action: string },
  drafts: readonly AuditDraft[],
): Promise<void> {
  if (drafts.length === 0) return
  await tx
    .insertInto('audit_entry')
    .values(
      drafts.map(({ subjectId, changes }) => ({
        id: createId('AuditEntry'),
        at: origin.at,
        actor_id: origin.actorId,
        actor_label: origin.actorLabel,
        action: origin.action,
        subject_id: subjectId,
        reason: origin.reason,
        config_version: origin.configVersion,
        changes: JSON.stringify(changes),
      })),
    )
    .execute()
}
