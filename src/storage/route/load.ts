import { sql } from 'kysely'
import { jsonArrayFrom } from 'kysely/helpers/postgres'
import type { RouteConfiguration } from '../../routing/config/configuration.ts'
import type { Db } from '../database/db.ts'
import { type Ids, amongIds, type SelectedRow } from '../database/among.ts'

/** Routes as they are configured, in order of creation; `ids` undefined: all. */
export async function loadRoutes(db: Db, ids?: readonly string[]): Promise<RouteConfiguration[]> {
  return (await selectRoutes(db, ids).execute()).map(routeOf)
}

export function selectRoutes(db: Db, ids: Ids) {
  return db
    .selectFrom('route')
    .selectAll('route')
    .select((eb) => [
      jsonArrayFrom(
        eb
          .selectFrom('route_target')
          .select(['id', 'backend_id as backendId', 'weight'])
          .whereRef('route_id', '=', 'route.id')
          .orderBy('id'),
      ).as('targets'),
      sql<
        string[]
      >`array(select backend_id from route_fallback_backend where route_id = route.id order by position)`.as(
        'fallback_backend_ids',
      ),
      sql<string[]>`array(select user_id::text from route_access_user where route_id = route.id order by user_id)`.as(
        'user_ids',
      ),
      sql<
        string[]
      >`array(select api_key_id::text from route_access_api_key where route_id = route.id order by api_key_id)`.as(
        'api_key_ids',
      ),
    ])
    .where(amongIds('route.id', ids))
    .orderBy('id')
}

export function routeOf(row: SelectedRow<typeof selectRoutes>): RouteConfiguration {
  return {
    id: row.id,
    name: row.name,
    revision: row.revision,
    createdAtMs: row.created_at.getTime(),
    state: row.state,
    categories: row.categories,
    targets: row.targets,
    fallback: row.fallback_triggers && {
      backendIds: row.fallback_backend_ids,
      triggers: row.fallback_triggers,
      maxAttempts: row.fallback_max_attempts!,
    },
    timeouts: {
      connectMs: row.connect_ms,
      firstByteMs: row.first_byte_ms,
      answerMs: row.answer_ms,
      idleMs: row.idle_ms,
      totalMs: row.total_ms,
      keepAliveMs: row.keep_alive_ms,
    },
    affinity: row.affinity,
    balancing: row.balancing,
    rewritesModel: row.rewrites_model,
    access: { policy: row.access_policy, userIds: row.user_ids, apiKeyIds: row.api_key_ids },
  }
}
