import { sql } from 'kysely'
import type { LimitSubject, LimitSubjectKind } from '../../routing/limits/limit.ts'
import type { Tx } from '../database/db.ts'
import type { LimitSubjectColumns } from './tables.ts'

/** The subject of a row. */
export function subjectOf(row: {
  readonly subject_kind: LimitSubjectKind
  readonly subject_id: string | null
}): LimitSubject {
  return row.subject_kind === 'INSTALLATION'
    ? { kind: 'INSTALLATION' }
    : { kind: row.subject_kind, id: row.subject_id! }
}
/** A subject as it is stored. */
export function subjectColumns(subject: LimitSubject): Omit<LimitSubjectColumns, 'subject_id'> {
  const idIf = (kind: LimitSubjectKind) =>
    subject.kind !== 'INSTALLATION' && subject.kind === kind ? subject.id : null
  return {
    subject_kind: subject.kind,
    user_id: idIf('USER'),
    api_key_id: idIf('API_KEY'),
    route_id: idIf('ROUTE'),
    provider_id: idIf('PROVIDER'),
    provider_model_id: idIf('PROVIDER_MODEL'),
    deployment_id: idIf('DEPLOYMENT'),
  }
}

const tablesByKind = {
  USER: 'app_user',
  API_KEY: 'api_key',
  ROUTE: 'route',
  PROVIDER: 'provider',
  DEPLOYMENT: 'deployment',
} as const

/**
 * Whether the subject exists, and locks it until the end of the transaction: a concurrent deletion waits, and then finds the new limit.
 * A revoked key counts as missing.
 */
export async function lockLimitSubject(tx: Tx, subject: LimitSubject): Promise<boolean> {
  if (subject.kind === 'INSTALLATION') return true
  if (subject.kind === 'PROVIDER_MODEL') return lockProviderModel(tx, subject.id)
  const row = await tx
    .selectFrom(tablesByKind[subject.kind])
    .select('id')
    .where('id', '=', subject.id)
    .$if(subject.kind === 'API_KEY', (query) => query.where(sql<boolean>`revoked_at is null`))
    .modifyEnd(sql`for key share`)
    .executeTakeFirst()
  return row !== undefined
}

/** Locks a provider model and its provider: changes of a provider's models lock the provider. */
async function lockProviderModel(tx: Tx, id: string): Promise<boolean> {
  const row = await tx
    .selectFrom('provider_model')
    .innerJoin('provider', 'provider.id', 'provider_model.provider_id')
    .select('provider_model.id')
    .where('provider_model.id', '=', id)
    .modifyEnd(sql`for key share`)
    .executeTakeFirst()
  return row !== undefined
}
