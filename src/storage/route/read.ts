import { type Expression, type Selectable, sql, type SqlBool } from 'kysely'
import type { ModelCategory, ServingState } from '../../routing/config/vocabulary.ts'
import { isAmong } from '../database/among.ts'
import type { Db } from '../database/db.ts'
import { byField, byId, type ObjectOrder, type Page, type PageRequest, readPage, readPages } from '../database/page.ts'
import type { RouteRow } from './write.ts'
import { isRef, type Ref } from '../database/ref.ts'
import { containsText } from '../database/search.ts'
import type { Tables } from '../database/tables.ts'

export type RouteTargetRow = Selectable<Tables['route_target']>
export type RouteRevisionRow = Selectable<Tables['route_revision']>

/** Conditions combine with AND. */
export interface RouteFilter {
  /** Part of the name, whatever its case. */
  readonly search: string | null
  /** Routes that use this backend as a target or fallback. */
  readonly backendId: string | null
  /** Routes with any of these. */
  readonly categories: readonly ModelCategory[] | null
  readonly state: ServingState | null
}

/** One page of the routes. */
export function listRoutes(
  db: Db,
  filter: RouteFilter,
  order: ObjectOrder,
  request: PageRequest,
): Promise<Page<RouteRow>> {
  return readPage(matching(db, filter).selectAll('route'), byField('route', order), request)
}

export async function countRoutes(db: Db, filter: RouteFilter): Promise<number> {
  const row = await matching(db, filter)
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow()
  return row.count
}

function matching(db: Db, { search, backendId, categories, state }: RouteFilter) {
  return db
    .selectFrom('route')
    .$if(search !== null, (query) => query.where(containsText('route.name', search!)))
    .$if(backendId !== null, (query) => query.where(uses(sql.val(backendId!))))
    .$if(categories !== null, (query) => query.where(sql<SqlBool>`route.categories && ${categories}::text[]`))
    .$if(state !== null, (query) => query.where('route.state', '=', state!))
}

function uses(backendId: Expression<string>): Expression<SqlBool> {
  return sql<SqlBool>`route.id in (
    select route_id from route_target where backend_id = ${backendId}
    union select route_id from route_fallback_backend where backend_id = ${backendId})`
}

/** The same page of the routes that use each of these backends as a target or fallback. */
export function listRoutesOfBackends(
  db: Db,
  backendIds: readonly string[],
  request: PageRequest,
): Promise<Map<string, Page<RouteRow>>> {
  return readPages(
    db,
    backendIds,
    (backendId) => db.selectFrom('route').selectAll('route').where(uses(backendId)),
    byId('route.id'),
    request,
  )
}

/** How many routes use each of these backends; those that none uses are left out. */
export async function countRoutesOfBackends(db: Db, backendIds: readonly string[]): Promise<Map<string, number>> {
  const rows = await db
    .selectFrom((eb) =>
      eb
        .selectFrom('route_target')
        .select(['backend_id', 'route_id'])
        .where(isAmong('backend_id', backendIds))
        .union(
          eb
            .selectFrom('route_fallback_backend')
            .select(['backend_id', 'route_id'])
            .where(isAmong('backend_id', backendIds)),
        )
        .as('use'),
    )
    .select((eb) => ['backend_id', eb.fn.countAll<number>().as('count')])
    .groupBy('backend_id')
    .execute()
  return new Map(rows.map((row) => [row.backend_id, row.count]))
}

export function findRoute(db: Db, ref: Ref): Promise<RouteRow | undefined> {
  return db.selectFrom('route').selectAll().where(isRef(ref)).executeTakeFirst()
}

export function listRoutesByIds(db: Db, ids: readonly string[]): Promise<RouteRow[]> {
  return db.selectFrom('route').selectAll().where(isAmong('id', ids)).execute()
}

export function listTargetsByIds(db: Db, ids: readonly string[]): Promise<RouteTargetRow[]> {
  return db.selectFrom('route_target').selectAll().where(isAmong('id', ids)).execute()
}

/** Where a route sends requests. */
export interface RouteDestinations {
  /** In order of creation. */
  readonly targets: readonly RouteTargetRow[]
  /** The fallback's, in the order in which they are tried. */
  readonly fallbackBackendIds: readonly string[]
}

/** The targets and fallbacks of these routes, in one statement: most who ask for one ask for both. */
export async function listDestinationsOfRoutes(
  db: Db,
  routeIds: readonly string[],
): Promise<Map<string, RouteDestinations>> {
  const rows = await db
    .selectFrom('route_target')
    .select(['route_id', 'provider_model_id', 'deployment_id', 'backend_id', 'weight'])
    .select([sql<string | null>`id`.as('id'), sql<number>`0`.as('position')])
    .where(isAmong('route_id', routeIds))
    .unionAll(
      db
        .selectFrom('route_fallback_backend')
        .select(['route_id', 'provider_model_id', 'deployment_id', 'backend_id', sql<number>`0`.as('weight')])
        .select([sql<string | null>`null::text`.as('id'), 'position'])
        .where(isAmong('route_id', routeIds)),
    )
    .orderBy('position')
    .orderBy('id')
    .execute()
  return new Map(
    [...Map.groupBy(rows, (row) => row.route_id)].map(([routeId, arrows]) => [
      routeId,
      {
        targets: arrows.flatMap((arrow) => (arrow.id === null ? [] : [{ ...arrow, id: arrow.id }])),
        fallbackBackendIds: arrows.filter((arrow) => arrow.id === null).map((arrow) => arrow.backend_id),
      },
    ]),
  )
}

/** One page of each of these routes' history, newest first. */
export function listRevisionsOfRoutes(
  db: Db,
  routeIds: readonly string[],
  request: PageRequest,
): Promise<Map<string, Page<RouteRevisionRow>>> {
  return readPages(
    db,
    routeIds,
    (routeId) =>
      db
        .selectFrom('route_revision')
        .selectAll('route_revision')
        .where(sql<SqlBool>`route_revision.route_id = ${routeId}`),
    { keys: [{ column: 'route_revision.number', type: 'bigint' }], direction: 'DESC' },
    request,
  )
}

export async function countRevisionsOfRoutes(db: Db, routeIds: readonly string[]): Promise<Map<string, number>> {
  const rows = await db
    .selectFrom('route_revision')
    .select((eb) => ['route_id', eb.fn.countAll<number>().as('count')])
    .where(isAmong('route_id', routeIds))
    .groupBy('route_id')
    .execute()
  return new Map(rows.map((row) => [row.route_id, row.count]))
}

export function listRevisionsByIds(db: Db, ids: readonly string[]): Promise<RouteRevisionRow[]> {
  return db.selectFrom('route_revision').selectAll().where(isAmong('id', ids)).execute()
}

/** The route that was made with a deployment, if it is still there. */
export function findRouteCreatedWith(db: Db, deploymentId: string): Promise<RouteRow | undefined> {
  return db.selectFrom('route').selectAll().where('created_with_id', '=', deploymentId).executeTakeFirst()
}
