import { sql } from 'kysely'
import { typeOfId } from '../../routing/config/object-id.ts'
import type { Db } from '../database/db.ts'

/** A backend by one of its names. */
export type BackendRef =
  | { readonly id: string }
  | { readonly deployment: string }
  | { readonly providerModel: { readonly provider: string; readonly model: string } }

/** What a change needs to know of a backend. */
export interface BackendName {
  readonly id: string
  /** `provider/model`, or the deployment's name. */
  readonly label: string
}

/** The backend that a caller names; undefined if there is none. */
export function findBackend(db: Db, ref: BackendRef): Promise<BackendName | undefined> {
  if ('deployment' in ref)
    return deploymentNames(db).where('name', '=', ref.deployment.normalize('NFC')).executeTakeFirst()
  if ('providerModel' in ref)
    return providerModelNames(db)
      .where('provider.name', '=', ref.providerModel.provider.normalize('NFC'))
      .where('provider_model.upstream_model', '=', ref.providerModel.model)
      .executeTakeFirst()
  return typeOfId(ref.id) === 'Deployment'
    ? deploymentNames(db).where('id', '=', ref.id).executeTakeFirst()
    : providerModelNames(db).where('provider_model.id', '=', ref.id).executeTakeFirst()
}

/** The labels of these backends, by id. */
export async function listBackendLabels(db: Db, ids: readonly string[]): Promise<Map<string, string>> {
  const rows = await deploymentNames(db)
    .where('id', 'in', [...ids, ''])
    .unionAll(providerModelNames(db).where('provider_model.id', 'in', [...ids, '']))
    .execute()
  return new Map(rows.map((row) => [row.id, row.label]))
}

function deploymentNames(db: Db) {
  return db.selectFrom('deployment').select(['id', 'name as label'])
}

function providerModelNames(db: Db) {
  return db
    .selectFrom('provider_model')
    .innerJoin('provider', 'provider.id', 'provider_model.provider_id')
    .select(['provider_model.id', sql<string>`provider.name || '/' || provider_model.upstream_model`.as('label')])
}
