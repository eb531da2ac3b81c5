import { isDeepStrictEqual } from 'node:util'
import { type Expression, type Selectable, sql, type SqlBool } from 'kysely'
import type { EarlierSecret } from '../../routing/config/configuration.ts'
import type { ApiKeyScope } from '../../routing/config/vocabulary.ts'
import { isAmong } from '../database/among.ts'
import type { ApiKeyTable } from './tables.ts'
import type { Db, Tx } from '../database/db.ts'

/** What an operator can change of an API key, and what stays as it was made. */
export interface ApiKeyDraft {
  readonly id: string
  readonly revision: number
  readonly name: string
  readonly ownerId: string
  readonly prefix: string
  /** SHA-256 in lower-case hex. */
  readonly hash: string
  /** Secrets that a rotation has replaced and that are still valid for a while. */
  readonly earlierSecrets: readonly EarlierSecret[]
  readonly scopes: readonly ApiKeyScope[]
  /** Sorted; null: all routes that the owner may call. */
  readonly routeIds: readonly string[] | null
  readonly expiresAt: Date | null
  readonly revokedAt: Date | null
}

/** The key, locked until the end of the transaction. */
export function findApiKeyForUpdate(tx: Tx, id: string): Promise<ApiKeyDraft | undefined> {
  return lockApiKey(tx, 'id', id, 'update')
}

/** The key, which nobody changes until the end of the transaction. */
export function findApiKeyForShare(tx: Tx, id: string): Promise<ApiKeyDraft | undefined> {
  return lockApiKey(tx, 'id', id, 'share')
}

/** What the key may do; undefined if there is none. Scopes never change. */
export async function findApiKeyScopes(db: Db, id: string): Promise<readonly ApiKeyScope[] | undefined> {
  return (await db.selectFrom('api_key').select('scopes').where('id', '=', id).executeTakeFirst())?.scopes
}

/** The key with this hash, locked until the end of the transaction. */
export function findApiKeyByHashForUpdate(tx: Tx, hash: string): Promise<ApiKeyDraft | undefined> {
  return lockApiKey(tx, 'hash', hash, 'update')
}

async function lockApiKey(
  tx: Tx,
  column: 'id' | 'hash',
  value: string,
  mode: 'update' | 'share',
): Promise<ApiKeyDraft | undefined> {
  const query = tx.selectFrom('api_key').select('id').where(column, '=', value)
  const locked = await (mode === 'update' ? query.forUpdate() : query.forShare()).executeTakeFirst()
  return locked && (await listDrafts(tx, [locked.id]))[0]
}

/** The keys of this user, locked until the end of the transaction: no route can list one of them meanwhile. */
export function lockApiKeysOfOwner(tx: Tx, ownerId: string): Promise<ApiKeyDraft[]> {
  return lockApiKeys(tx, sql<SqlBool>`owner_id = ${ownerId}`)
}

/** The keys that are bound to this route, locked until the end of the transaction. */
export function lockApiKeysOfRoute(tx: Tx, routeId: string): Promise<ApiKeyDraft[]> {
  return lockApiKeys(tx, sql<SqlBool>`id in (select api_key_id from api_key_route where route_id = ${routeId})`)
}

async function lockApiKeys(tx: Tx, condition: Expression<SqlBool>): Promise<ApiKeyDraft[]> {
  const rows = await tx.selectFrom('api_key').select('id').where(condition).orderBy('id').forUpdate().execute()
  return listDrafts(
    tx,
    rows.map((row) => row.id),
  )
}

async function listDrafts(tx: Tx, ids: readonly string[]): Promise<ApiKeyDraft[]> {
  const rows = await tx
    .selectFrom('api_key')
    .selectAll()
    .select(routeIdsOfApiKey.as('route_ids'))
    .where(isAmong('id', ids))
    .orderBy('id')
    .execute()
  return rows.map(draftOf)
}

/** Sorted, so that an identical set is seen to be identical. */
const routeIdsOfApiKey = sql<
  string[]
>`array(select route_id::text from api_key_route where api_key_id = api_key.id order by route_id)`

function draftOf(row: Selectable<ApiKeyTable> & { readonly route_ids: string[] }): ApiKeyDraft {
  return {
    id: row.id,
    revision: row.revision,
    name: row.name,
    ownerId: row.owner_id,
    prefix: row.prefix,
    hash: row.hash,
    scopes: row.scopes,
    earlierSecrets: row.earlier_secrets,
    routeIds: row.is_route_bound ? row.route_ids : null,
    expiresAt: row.expires_at,
    revokedAt: row.revoked_at,
  }
}

/** Writes a new key. */
export async function insertApiKey(tx: Tx, draft: ApiKeyDraft): Promise<void> {
  await tx
    .insertInto('api_key')
    .values({
      id: draft.id,
      owner_id: draft.ownerId,
      scopes: [...draft.scopes],
      ...changeableColumns(draft),
    })
    .execute()
  await insertRoutes(tx, draft)
}

/** Writes the key as `after` says, as its next revision. */
export async function updateApiKey(tx: Tx, before: ApiKeyDraft, after: ApiKeyDraft): Promise<void> {
  await tx
    .updateTable('api_key')
    .set((eb) => ({
      ...changeableColumns(after),
      revision: eb('revision', '+', 1),
      updated_at: eb.fn('clock_timestamp'),
    }))
    .where('id', '=', before.id)
    .execute()
  if (isDeepStrictEqual(before.routeIds, after.routeIds)) return
  await tx.deleteFrom('api_key_route').where('api_key_id', '=', before.id).execute()
  await insertRoutes(tx, after)
}

function changeableColumns({ name, prefix, hash, earlierSecrets, routeIds, expiresAt, revokedAt }: ApiKeyDraft) {
  return {
    name,
    prefix,
    hash,
    earlier_secrets: JSON.stringify(earlierSecrets),
    is_route_bound: routeIds !== null,
    expires_at: expiresAt,
    revoked_at: revokedAt,
  }
}

/** Takes a route out of the keys that are bound to it, as their next revision. */
export async function unbindApiKeys(tx: Tx, routeId: string, apiKeyIds: readonly string[]): Promise<void> {
  if (apiKeyIds.length === 0) return
  await tx
    .updateTable('api_key')
    .set((eb) => ({ revision: eb('revision', '+', 1), updated_at: eb.fn('clock_timestamp') }))
    .where(isAmong('id', apiKeyIds))
    .execute()
  await tx.deleteFrom('api_key_route').where('route_id', '=', routeId).execute()
}

/** Ids of routes that list the key in their access, and neither its owner nor the other key. */
export async function listUncallableGrants(db: Db, apiKeyId: string, otherKeyId: string): Promise<string[]> {
  const { rows } = await sql<{ route_id: string }>`
    select route_id from route_access_api_key as granted
    where api_key_id = ${apiKeyId}
      and not exists (select from route_access_api_key as other
        where other.route_id = granted.route_id and other.api_key_id = ${otherKeyId})
      and not exists (select from route_access_user as listed join api_key on api_key.owner_id = listed.user_id
        where listed.route_id = granted.route_id and api_key.id = ${apiKeyId})`.execute(db)
  return rows.map((row) => row.route_id)
}

async function insertRoutes(tx: Tx, { id, routeIds }: ApiKeyDraft): Promise<void> {
  if (!routeIds || routeIds.length === 0) return
  await tx
    .insertInto('api_key_route')
    .values(routeIds.map((routeId) => ({ api_key_id: id, route_id: routeId })))
    .execute()
}

/** Ids of the keys with this prefix that are not revoked. */
export async function listUnrevokedApiKeyIds(tx: Tx, prefix: string): Promise<string[]> {
  const rows = await tx
    .selectFrom('api_key')
    .select('id')
    .where('prefix', '=', prefix)
    .where('revoked_at', 'is', null)
    .orderBy('id')
    .execute()
  return rows.map((row) => row.id)
}

/**
 * Stores that these keys were used in this minute. The latest minute wins, so several processes may write in any order. It does not
 * change the configuration or revisions.
 */
export async function updateLastUsed(db: Db, ids: readonly string[], minute: Date): Promise<void> {
  if (ids.length === 0) return
  // Rows are locked in the order of ids; otherwise two processes could deadlock.
  await db
    .with('used', (cte) =>
      cte
        .selectFrom('api_key')
        .select('id')
        .where(sql<boolean>`id = any(${ids})`)
        .where((eb) => eb.or([eb('last_used_at', 'is', null), eb('last_used_at', '<', minute)]))
        .orderBy('id')
        .forNoKeyUpdate(),
    )
    .updateTable('api_key')
    .from('used')
    .set({ last_used_at: minute })
    .whereRef('api_key.id', '=', 'used.id')
    .execute()
}
