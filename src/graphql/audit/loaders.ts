import type { Db } from '../../storage/database/db.ts'
import { listAuditEntriesByIds } from '../../storage/audit/read.ts'
import { byId } from '../kit/batch.ts'

/** What is read of the audit log, in batches. */
export function auditLoaders(db: Db) {
  return {
    auditEntry: byId(db, listAuditEntriesByIds),
  }
}
