import type { LimitSubject, LimitSubjectKind } from '../../routing/limits/limit.ts'

/** The subject of a row. */
export function subjectOf(row: {
  readonly subject_kind: LimitSubjectKind
  readonly subject_id: string | null
}): LimitSubject {
  return row.subject_kind === 'INSTALLATION'
    ? { kind: 'INSTALLATION' }
    : { kind: row.subject_kind, id: row.subject_id! }
}
