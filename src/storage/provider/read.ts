import type { Selectable } from 'kysely'
import type { ProviderKind } from '../../routing/vendors/provider-kind.ts'
import type { ServingState } from '../../routing/config/vocabulary.ts'
import { isAmong } from '../database/among.ts'
import type { Db } from '../database/db.ts'
import { byField, type ObjectOrder, type Page, type PageRequest, readPage } from '../database/page.ts'
import { isRef, type Ref } from '../database/ref.ts'
import { containsText } from '../database/search.ts'
import type { Tables } from '../database/tables.ts'

export type ProviderRow = Selectable<Tables['provider']>
export type ProviderModelRow = Selectable<Tables['provider_model']> & {
  readonly provider_name: string
  readonly provider_kind: ProviderKind
  readonly provider_state: ServingState
}
/** Without the secret. */
export type ProviderCredentialRow = Omit<Selectable<Tables['provider_credential']>, 'sealed_secret' | 'position'>

export interface ProviderFilter {
  /** Part of the name, whatever its case. */
  readonly search: string | null
}

/** One page of the providers. */
export function listProviders(
  db: Db,
  filter: ProviderFilter,
  order: ObjectOrder,
  request: PageRequest,
): Promise<Page<ProviderRow>> {
  return readPage(matching(db, filter).selectAll('provider'), byField('provider', order), request)
}

export async function countProviders(db: Db, filter: ProviderFilter): Promise<number> {
  const row = await matching(db, filter)
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow()
  return row.count
}

function matching(db: Db, { search }: ProviderFilter) {
  return db.selectFrom('provider').$if(search !== null, (query) => query.where(containsText('provider.name', search!)))
}

export function findProvider(db: Db, ref: Ref): Promise<ProviderRow | undefined> {
  return db.selectFrom('provider').selectAll().where(isRef(ref)).executeTakeFirst()
}

export function listProvidersByIds(db: Db, ids: readonly string[]): Promise<ProviderRow[]> {
  return db.selectFrom('provider').selectAll().where(isAmong('id', ids)).execute()
}

export function listProviderModelsByIds(db: Db, ids: readonly string[]): Promise<ProviderModelRow[]> {
  return models(db).where(isAmong('provider_model.id', ids)).execute()
}

/** The models of these providers, each in its provider's order. */
export function listModelsOfProviders(db: Db, providerIds: readonly string[]): Promise<ProviderModelRow[]> {
  return models(db).where(isAmong('provider_id', providerIds)).orderBy('position').execute()
}

function models(db: Db) {
  return db
    .selectFrom('provider_model')
    .innerJoin('provider', 'provider.id', 'provider_model.provider_id')
    .selectAll('provider_model')
    .select(['provider.name as provider_name', 'provider.kind as provider_kind', 'provider.state as provider_state'])
}

/** The credentials of these providers, each in order of preference. */
export function listCredentialsOfProviders(db: Db, providerIds: readonly string[]): Promise<ProviderCredentialRow[]> {
  return db
    .selectFrom('provider_credential')
    .select(['id', 'provider_id', 'hint', 'created_at'])
    .where(isAmong('provider_id', providerIds))
    .orderBy('position')
    .execute()
}

/** The names of the headers of these providers, each in their order. */
export function listHeaderNamesOfProviders(
  db: Db,
  providerIds: readonly string[],
): Promise<{ provider_id: string; name: string }[]> {
  return db
    .selectFrom('provider_header')
    .select(['provider_id', 'name'])
    .where(isAmong('provider_id', providerIds))
    .orderBy('position')
    .execute()
}
