import { type Selectable, sql, type SqlBool } from 'kysely'
import { isAmong } from '../database/among.ts'
import type { Db } from '../database/db.ts'
import { type ListOrder, type Page, type PageRequest, readPage } from '../database/page.ts'
import type { Tables } from '../database/tables.ts'

export type AuditEntryRow = Selectable<Tables['audit_entry']>

/** Fields combine with AND, the values of one field with OR. Null: any. */
export interface AuditFilter {
  /** The first instant. */
  readonly from: Date | null
  /** The end of the range, exclusive. */
  readonly to: Date | null
  readonly subjectIds: readonly string[] | null
  readonly actorIds: readonly string[] | null
  readonly actions: readonly string[] | null
}

/** In the order of the commits, so that a reader who continues from the last cursor misses nothing. */
const newestFirst: ListOrder = { keys: [{ column: 'audit_entry.position', type: 'bigint' }], direction: 'DESC' }

/** One page of the audit log, newest first. */
export function listAuditEntries(db: Db, filter: AuditFilter, request: PageRequest): Promise<Page<AuditEntryRow>> {
  const { from, to, subjectIds, actorIds, actions } = filter
  const query = db
    .selectFrom('audit_entry')
    .selectAll('audit_entry')
    .$if(from !== null, (some) => some.where('at', '>=', from!))
    .$if(to !== null, (some) => some.where('at', '<', to!))
    .$if(subjectIds !== null, (some) => some.where(sql<SqlBool>`subject_id = any(${subjectIds})`))
    .$if(actorIds !== null, (some) => some.where(sql<SqlBool>`actor_id = any(${actorIds})`))
    .$if(actions !== null, (some) => some.where(sql<SqlBool>`action = any(${actions})`))
  return readPage(query, newestFirst, request)
}

export function listAuditEntriesByIds(db: Db, ids: readonly string[]): Promise<AuditEntryRow[]> {
  return db.selectFrom('audit_entry').selectAll().where(isAmong('id', ids)).execute()
}
