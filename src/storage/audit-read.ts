import type { Selectable } from 'kysely'
import { isAmong } from './among.ts'
import type { Db } from './database.ts'
import { type Page, type PageRequest, readPage } from './page.ts'
import type { Tables } from './tables.ts'

export type AuditEntryRow = Selectable<Tables['audit_entry']>

export interface AuditFilter {
  /** The first instant. */
  readonly from: Date | null
  /** The first instant that is not in it. */
  readonly to: Date | null
  readonly subjectId: string | null
}

/** One page of the audit log, newest first. */
export function listAuditEntries(db: Db, filter: AuditFilter, request: PageRequest): Promise<Page<AuditEntryRow>> {
  const { from, to, subjectId } = filter
  const query = db
    .selectFrom('audit_entry')
    .selectAll('audit_entry')
    .$if(from !== null, (some) => some.where('at', '>=', from!))
    .$if(to !== null, (some) => some.where('at', '<', to!))
    .$if(subjectId !== null, (some) => some.where('subject_id', '=', subjectId!))
  return readPage(query, 'audit_entry.id', 'NEWEST_FIRST', request)
}

export function listAuditEntriesByIds(db: Db, ids: readonly string[]): Promise<AuditEntryRow[]> {
  return db.selectFrom('audit_entry').selectAll().where(isAmong('id', ids)).execute()
}
