import type { AuditChange } from './configuration-tables.ts'
import { createId } from './create-id.ts'
import type { Tx } from './database.ts'

/** Adds an entry to the audit log. Entries are never changed or removed. */
export async function insertAuditEntry(
  tx: Tx,
  entry: {
    actorId: string
    action: string
    subjectId: string
    reason: string | null
    changes: readonly AuditChange[]
  },
): Promise<void> {
  await tx
    .insertInto('audit_entry')
    .values({
      id: createId('AuditEntry'),
      actor_id: entry.actorId,
      action: entry.action,
      subject_id: entry.subjectId,
      reason: entry.reason,
      changes: JSON.stringify(entry.changes),
    })
    .execute()
}
