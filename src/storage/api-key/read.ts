import { type Selectable, sql, type SqlBool } from 'kysely'
import type { ServingState } from '../../routing/config/vocabulary.ts'
import { isAmong } from '../database/among.ts'
import type { Db } from '../database/db.ts'
import { byField, byId, type ObjectOrder, type Page, type PageRequest, readPage, readPages } from '../database/page.ts'
import type { RouteRow } from '../route/write.ts'
import type { Tables } from '../database/tables.ts'

/** Without the hashes. */
export type ApiKeyRow = Omit<Selectable<Tables['api_key']>, 'hash' | 'earlier_secrets'>
export type ApiKeyState = 'ACTIVE' | 'REVOKED' | 'EXPIRED' | 'SUSPENDED'

export interface ApiKeyFilter {
  readonly state: ApiKeyState | null
  /** Only those of this user. */
  readonly ownerId: string | null
}

const columns = [
  'api_key.id',
  'api_key.revision',
  'api_key.created_at',
  'api_key.updated_at',
  'api_key.name',
  'api_key.owner_id',
  'api_key.prefix',
  'api_key.scopes',
  'api_key.is_route_bound',
  'api_key.revoked_at',
  'api_key.expires_at',
  'api_key.last_used_at',
] as const

/** Whether a key is accepted at this instant. */
export function apiKeyStateOf(
  key: Pick<ApiKeyRow, 'revoked_at' | 'expires_at'>,
  owner: { readonly state: ServingState },
  now: Date,
): ApiKeyState {
  if (key.revoked_at) return 'REVOKED'
  if (key.expires_at && key.expires_at <= now) return 'EXPIRED'
  return owner.state === 'ACTIVE' ? 'ACTIVE' : 'SUSPENDED'
}

/** One page of the keys. */
export function listApiKeys(
  db: Db,
  filter: ApiKeyFilter,
  order: ObjectOrder,
  request: PageRequest,
): Promise<Page<ApiKeyRow>> {
  return readPage(matching(db, filter).select(columns), byField('api_key', order), request)
}

export async function countApiKeys(db: Db, filter: ApiKeyFilter): Promise<number> {
  const row = await matching(db, filter)
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow()
  return row.count
}

function matching(db: Db, { state, ownerId }: ApiKeyFilter) {
  return db
    .selectFrom('api_key')
    .$if(state !== null, (query) => query.where(isInState(state!)))
    .$if(ownerId !== null, (query) => query.where('api_key.owner_id', '=', ownerId!))
}

const isCurrent = sql`api_key.revoked_at is null and (api_key.expires_at is null or api_key.expires_at > now())`
const isOwnerActive = sql`exists (select from app_user where app_user.id = api_key.owner_id and app_user.state = 'ACTIVE')`

/** The same rule as `apiKeyStateOf`. */
function isInState(state: ApiKeyState) {
  switch (state) {
    case 'REVOKED':
      return sql<SqlBool>`api_key.revoked_at is not null`
    case 'EXPIRED':
      return sql<SqlBool>`api_key.revoked_at is null and api_key.expires_at <= now()`
    case 'ACTIVE':
      return sql<SqlBool>`${isCurrent} and ${isOwnerActive}`
    case 'SUSPENDED':
      return sql<SqlBool>`${isCurrent} and not ${isOwnerActive}`
  }
}

/** The same page of the keys of each of these users. */
export function listApiKeysOfUsers(
  db: Db,
  userIds: readonly string[],
  request: PageRequest,
): Promise<Map<string, Page<ApiKeyRow>>> {
  return readPages(
    db,
    userIds,
    (userId) =>
      db
        .selectFrom('api_key')
        .select(columns)
        .where(sql<SqlBool>`api_key.owner_id = ${userId}`),
    byId('api_key.id'),
    request,
  )
}

/** How many keys each of these users has; those without one are left out. */
export async function countApiKeysOfUsers(db: Db, userIds: readonly string[]): Promise<Map<string, number>> {
  const rows = await db
    .selectFrom('api_key')
    .select((eb) => ['owner_id', eb.fn.countAll<number>().as('count')])
    .where(isAmong('owner_id', userIds))
    .groupBy('owner_id')
    .execute()
  return new Map(rows.map((row) => [row.owner_id, row.count]))
}

export function listApiKeysByIds(db: Db, ids: readonly string[]): Promise<ApiKeyRow[]> {
  return db.selectFrom('api_key').select(columns).where(isAmong('id', ids)).execute()
}

/** The keys that these routes list in their access, in order of creation. */
export function listAccessApiKeys(db: Db, routeIds: readonly string[]): Promise<(ApiKeyRow & { route_id: string })[]> {
  return db
    .selectFrom('route_access_api_key')
    .innerJoin('api_key', 'api_key.id', 'route_access_api_key.api_key_id')
    .select(columns)
    .select('route_access_api_key.route_id')
    .where(isAmong('route_access_api_key.route_id', routeIds))
    .orderBy('api_key.id')
    .execute()
}

/** The routes that these keys are bound to, in order of creation. */
export function listRoutesOfApiKeys(
  db: Db,
  apiKeyIds: readonly string[],
): Promise<(RouteRow & { api_key_id: string })[]> {
  return db
    .selectFrom('api_key_route')
    .innerJoin('route', 'route.id', 'api_key_route.route_id')
    .selectAll('route')
    .select('api_key_route.api_key_id')
    .where(isAmong('api_key_route.api_key_id', apiKeyIds))
    .orderBy('route.id')
    .execute()
}
