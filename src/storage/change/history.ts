import { type AuditDraft, auditRow, type HistoryOrigin } from '../audit/write.ts'
import type { Tx } from '../database/db.ts'
import { type RouteRevisionDraft, revisionRow } from '../route/revision.ts'

export interface HistoryDraft {
  readonly entries: readonly AuditDraft[]
  readonly revisions: readonly RouteRevisionDraft[]
}

/**
 * Adds entries to the audit log, and committed states to the history of their routes, in one statement. They are never changed or removed.
 * Call it under the version's lock: the column `position` counts in the order of the inserts, and a reader who follows the log takes it
 * for the order of the commits.
 */
export async function insertHistory(
  tx: Tx,
  origin: HistoryOrigin & { readonly action: string },
  { entries, revisions }: HistoryDraft,
): Promise<void> {
  const auditRows = entries.map((entry) => auditRow(origin, entry))
  const revisionRows = revisions.map((revision) => revisionRow(origin, revision))
  if (auditRows.length === 0) {
    if (revisionRows.length > 0) await tx.insertInto('route_revision').values(revisionRows).execute()
    return
  }
  const withRevisions =
    revisionRows.length === 0 ? tx : tx.with('revision', (db) => db.insertInto('route_revision').values(revisionRows))
  await withRevisions.insertInto('audit_entry').values(auditRows).execute()
}
