import { sql } from 'kysely'
import type { ApiKeyConfiguration } from '../../routing/config/configuration.ts'
import type { Db } from '../database/db.ts'
import { type Ids, amongIds, type SelectedRow } from '../database/among.ts'

export async function loadApiKeys(db: Db, ids?: readonly string[]): Promise<ApiKeyConfiguration[]> {
  return (await selectApiKeys(db, ids).execute()).map(apiKeyOf)
}

export function selectApiKeys(db: Db, ids: Ids) {
  return db
    .selectFrom('api_key')
    .select(['id', 'name', 'owner_id', 'hash', 'earlier_secrets', 'scopes', 'is_route_bound', 'expires_at'])
    .select(
      sql<string[]>`array(select route_id::text from api_key_route where api_key_id = api_key.id order by route_id)`.as(
        'route_ids',
      ),
    )
    .where('revoked_at', 'is', null)
    .where(amongIds('api_key.id', ids))
    .orderBy('id')
}

export function apiKeyOf(row: SelectedRow<typeof selectApiKeys>): ApiKeyConfiguration {
  return {
    id: row.id,
    name: row.name,
    ownerId: row.owner_id,
    hash: row.hash,
    earlierSecrets: row.earlier_secrets,
    scopes: row.scopes,
    routeIds: row.is_route_bound ? row.route_ids : null,
    expiresAtMs: row.expires_at?.getTime() ?? null,
  }
}
