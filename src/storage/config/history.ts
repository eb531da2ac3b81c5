import { type RawBuilder, sql } from 'kysely'

/** A version of one history: the number, and the token that tells it from the same number of another history. */
export interface VersionId {
  readonly version: number
  readonly token: string
}

/** The latest version, and the changes since another one, that one included. */
export interface History extends VersionId {
  readonly changes: readonly (VersionId & { readonly subjectIds: readonly string[] })[]
}

/** A sub-select of one value. */
export function historySince({ version }: VersionId): RawBuilder<History> {
  return sql<History>`(select json_build_object('version', version, 'token', token, 'changes', (
    select coalesce(json_agg(json_build_object('version', c.version, 'token', c.token, 'subjectIds', c.subject_ids)), '[]')
    from config_change c where c.version >= ${version})) from config_version)`
}

/** The ids of objects that changed after `base`; undefined if unknown. */
export function changedIds({ version, changes }: History, base: VersionId): ReadonlySet<string> | undefined {
  // Version 0 is empty in every history.
  const isKnown = base.version === 0 || changes.some((change) => isSameVersion(change, base))
  const later = changes.filter((change) => change.version > base.version)
  if (!isKnown || later.length !== version - base.version) return undefined
  return new Set(later.flatMap(({ subjectIds }) => subjectIds))
}

/** Whether two versions are the same one of the same history. */
export function isSameVersion(a: VersionId, b: VersionId): boolean {
  return a.version === b.version && a.token === b.token
}
