import { isDeepStrictEqual } from 'node:util'
import { sql } from 'kysely'
import type { ApiKeyScope } from '../routing/vocabulary.ts'
import type { Db, Tx } from './database.ts'

/** What an operator can change of an API key, and what stays as it was made. */
export interface ApiKeyDraft {
  readonly id: string
  readonly revision: number
  readonly name: string
  readonly ownerId: string
  readonly prefix: string
  /** SHA-256 in lower-case hex. */
  readonly hash: string
  readonly scopes: readonly ApiKeyScope[]
  /** Sorted; null: all that its owner may. */
  readonly routeIds: readonly string[] | null
  readonly expiresAt: Date | null
  readonly revokedAt: Date | null
}

/** The key, locked until the end of the transaction. */
export function findApiKeyForUpdate(tx: Tx, id: string): Promise<ApiKeyDraft | undefined> {
  return lockApiKey(tx, 'id', id)
}

/** The key with this hash, locked until the end of the transaction. */
export function findApiKeyByHashForUpdate(tx: Tx, hash: string): Promise<ApiKeyDraft | undefined> {
  return lockApiKey(tx, 'hash', hash)
}

async function lockApiKey(tx: Tx, column: 'id' | 'hash', value: string): Promise<ApiKeyDraft | undefined> {
  const row = await tx.selectFrom('api_key').selectAll().where(column, '=', value).forUpdate().executeTakeFirst()
  if (!row) return undefined
  const routes = await tx
    .selectFrom('api_key_route')
    .select('route_id')
    .where('api_key_id', '=', row.id)
    .orderBy('route_id')
    .execute()
  return {
    id: row.id,
    revision: row.revision,
    name: row.name,
    ownerId: row.owner_id,
    prefix: row.prefix,
    hash: row.hash,
    scopes: row.scopes,
    routeIds: row.is_route_bound ? routes.map((route) => route.route_id) : null,
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
      prefix: draft.prefix,
      hash: draft.hash,
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

function changeableColumns({ name, routeIds, expiresAt, revokedAt }: ApiKeyDraft) {
  return { name, is_route_bound: routeIds !== null, expires_at: expiresAt, revoked_at: revokedAt }
}

async function insertRoutes(tx: Tx, { id, routeIds }: ApiKeyDraft): Promise<void> {
  if (!routeIds || routeIds.length === 0) return
  await tx
    .insertInto('api_key_route')
    .values(routeIds.map((routeId) => ({ api_key_id: id, route_id: routeId })))
    .execute()
}

/** Ids of the keys of this user, locked until the end of the transaction: no route can list one of them meanwhile. */
export async function lockApiKeyIdsOfOwner(tx: Tx, ownerId: string): Promise<string[]> {
  const rows = await tx
    .selectFrom('api_key')
    .select('id')
    .where('owner_id', '=', ownerId)
    .orderBy('id')
    .forUpdate()
    .execute()
  return rows.map((row) => row.id)
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
 * Notes that these keys were used in this minute. Later minutes win, so several processes may tell in any order. It is no
 * change of the configuration: revisions stay.
 */
export async function updateLastUsed(db: Db, ids: readonly string[], minute: Date): Promise<void> {
  if (ids.length === 0) return
  // Locked in the order of ids, or two processes could wait for one another.
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
