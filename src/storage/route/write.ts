import type { Ref } from '../database/ref.ts'
import { isDeepStrictEqual } from 'node:util'
import { type Selectable, sql } from 'kysely'
import type { RouteConfiguration } from '../../routing/config/configuration.ts'
import { typeOfId } from '../../routing/config/object-id.ts'
import { loadRoutes } from './load.ts'
import type { RouteTable } from './tables.ts'
import type { Db, Tx } from '../database/db.ts'

export type RouteRow = Selectable<RouteTable>

/** What an operator can change of a route. */
export interface RouteDraft extends RouteConfiguration {
  readonly description: string
  readonly createdWithId: string | null
}

/** The route, locked until the end of the transaction: changes of one route are made one after the other. */
export async function findRouteForUpdate(tx: Tx, ref: Ref): Promise<RouteDraft | undefined> {
  const [route] = await lockRoutes(tx, [ref])
  return route
}

/**
 * The routes, locked until the end of the transaction in the order of their ids: whoever changes several of them waits, and nobody
 * for one another.
 */
export async function lockRoutes(tx: Tx, refs: readonly Ref[]): Promise<RouteDraft[]> {
  const ids = refs.flatMap((ref) => ('id' in ref ? [ref.id] : []))
  const names = refs.flatMap((ref) => ('id' in ref ? [] : [ref.name.normalize('NFC')]))
  const rows = await tx
    .selectFrom('route')
    .select(['id', 'description', 'created_with_id'])
    .where((eb) => eb.or([eb('id', 'in', [...ids, '']), eb('name', 'in', [...names, ''])]))
    .orderBy('id')
    .forUpdate()
    .execute()
  if (rows.length === 0) return []
  // Read after the lock was there: what another change wrote meanwhile is seen.
  const configurations = await loadRoutes(
    tx,
    rows.map(({ id }) => id),
  )
  const rowsById = new Map(rows.map((row) => [row.id, row]))
  return configurations.map((configuration) => {
    const { description, created_with_id: createdWithId } = rowsById.get(configuration.id)!
    return { ...configuration, description, createdWithId }
  })
}

/** Writes a new route. `revision` and `createdAtMs` of the draft are not read. */
export async function insertRoute(tx: Tx, draft: RouteDraft): Promise<void> {
  await tx
    .insertInto('route')
    .values({ id: draft.id, ...columnsOf(draft), created_with_id: draft.createdWithId })
    .execute()
  await insertTargets(tx, draft.id, draft.targets)
  await insertFallbackBackends(tx, draft)
  await insertAccess(tx, draft)
}

/** Writes the route as `after` says, as its next revision, which is returned. */
export async function updateRoute(tx: Tx, before: RouteDraft, after: RouteDraft): Promise<number> {
  const { revision } = await tx
    .updateTable('route')
    .set((eb) => ({ ...columnsOf(after), revision: eb('revision', '+', 1), updated_at: eb.fn('clock_timestamp') }))
    .where('id', '=', before.id)
    .returning('revision')
    .executeTakeFirstOrThrow()
  await updateTargets(tx, before, after)
  if (!isDeepStrictEqual(before.fallback?.backendIds, after.fallback?.backendIds)) {
    await tx.deleteFrom('route_fallback_backend').where('route_id', '=', after.id).execute()
    await insertFallbackBackends(tx, after)
  }
  if (!isDeepStrictEqual(before.access, after.access)) {
    await tx.deleteFrom('route_access_user').where('route_id', '=', after.id).execute()
    await tx.deleteFrom('route_access_api_key').where('route_id', '=', after.id).execute()
    await insertAccess(tx, after)
  }
  return revision
}

/** Writes the weights of these routes, each as its next revision. Returns the revisions by the routes' ids. */
export async function updateWeights(tx: Tx, routes: readonly RouteDraft[]): Promise<Map<string, number>> {
  const targets = routes.flatMap((route) => route.targets)
  const { rows } = await sql<{ id: string; revision: number }>`
    with weights as (
      update route_target set weight = next.weight
      from unnest(${targets.map(({ id }) => id)}::text[], ${targets.map(({ weight }) => weight)}::integer[]) as next (id, weight)
      where route_target.id = next.id and route_target.weight <> next.weight
    )
    update route set revision = revision + 1, updated_at = clock_timestamp()
    where id = any(${routes.map(({ id }) => id)}::text[])
    returning id, revision`.execute(tx)
  return new Map(rows.map(({ id, revision }) => [id, revision]))
}

/** Deletes the route. Its history, usage and log stay. */
export async function deleteRoute(tx: Tx, id: string): Promise<void> {
  await tx.deleteFrom('route').where('id', '=', id).execute()
}

/** Ids of the routes that use any of these backends as a target or fallback, in order of creation, at most `limit`. */
export async function listRouteIdsOfBackends(db: Db, backendIds: readonly string[], limit: number): Promise<string[]> {
  const rows = await db
    .selectFrom('route_target')
    .select('route_id')
    .where('backend_id', 'in', [...backendIds, ''])
    .union(
      db
        .selectFrom('route_fallback_backend')
        .select('route_id')
        .where('backend_id', 'in', [...backendIds, '']),
    )
    .orderBy('route_id')
    .limit(limit)
    .execute()
  return rows.map((row) => row.route_id)
}

function columnsOf(draft: RouteDraft) {
  return {
    name: draft.name,
    description: draft.description,
    categories: [...draft.categories],
    state: draft.state,
    connect_ms: draft.timeouts.connectMs,
    first_byte_ms: draft.timeouts.firstByteMs,
    answer_ms: draft.timeouts.answerMs,
    idle_ms: draft.timeouts.idleMs,
    total_ms: draft.timeouts.totalMs,
    keep_alive_ms: draft.timeouts.keepAliveMs,
    affinity: draft.affinity,
    balancing: draft.balancing,
    rewrites_model: draft.rewritesModel,
    access_policy: draft.access.policy,
    fallback_triggers: draft.fallback && [...draft.fallback.triggers],
    fallback_max_attempts: draft.fallback && draft.fallback.maxAttempts,
  }
}

async function updateTargets(tx: Tx, before: RouteDraft, after: RouteDraft): Promise<void> {
  const weightsBefore = new Map(before.targets.map((target) => [target.id, target.weight]))
  const idsAfter = new Set(after.targets.map((target) => target.id))
  const gone = before.targets.filter((target) => !idsAfter.has(target.id)).map((target) => target.id)
  if (gone.length > 0) await tx.deleteFrom('route_target').where('id', 'in', gone).execute()
  for (const { id, weight } of after.targets) {
    const old = weightsBefore.get(id)
    if (old !== undefined && old !== weight)
      await tx.updateTable('route_target').set({ weight }).where('id', '=', id).execute()
  }
  await insertTargets(
    tx,
    after.id,
    after.targets.filter((target) => !weightsBefore.has(target.id)),
  )
}

async function insertTargets(tx: Tx, routeId: string, targets: RouteDraft['targets']): Promise<void> {
  if (targets.length === 0) return
  await tx
    .insertInto('route_target')
    .values(
      targets.map(({ id, backendId, weight }) => ({ id, route_id: routeId, weight, ...backendColumns(backendId) })),
    )
    .execute()
}

async function insertFallbackBackends(tx: Tx, { id, fallback }: RouteDraft): Promise<void> {
  if (!fallback || fallback.backendIds.length === 0) return
  await tx
    .insertInto('route_fallback_backend')
    .values(
      fallback.backendIds.map((backendId, position) => ({ route_id: id, position, ...backendColumns(backendId) })),
    )
    .execute()
}

async function insertAccess(tx: Tx, { id, access }: RouteDraft): Promise<void> {
  const { userIds, apiKeyIds } = access
  if (userIds.length > 0)
    await tx
      .insertInto('route_access_user')
      .values(userIds.map((userId) => ({ route_id: id, user_id: userId })))
      .execute()
  if (apiKeyIds.length > 0)
    await tx
      .insertInto('route_access_api_key')
      .values(apiKeyIds.map((apiKeyId) => ({ route_id: id, api_key_id: apiKeyId })))
      .execute()
}

function backendColumns(backendId: string): { provider_model_id: string | null; deployment_id: string | null } {
  return typeOfId(backendId) === 'Deployment'
    ? { deployment_id: backendId, provider_model_id: null }
    : { deployment_id: null, provider_model_id: backendId }
}
