import type { Insertable } from 'kysely'
import type { HistoryOrigin } from '../audit/write.ts'
import type { Tables } from '../database/tables.ts'
import type { RouteChangeKind, RouteRevisionState } from './tables.ts'
import { createId } from '../database/create-id.ts'
import type { Db } from '../database/db.ts'

/** A state of a route as a change made it. */
export interface RouteRevisionDraft {
  readonly routeId: string
  readonly number: number
  readonly kind: RouteChangeKind
  readonly state: RouteRevisionState
}

/** A committed state of a route as it is stored. */
export function revisionRow(
  origin: HistoryOrigin,
  { routeId, number, kind, state }: RouteRevisionDraft,
): Insertable<Tables['route_revision']> {
  return {
    id: createId('RouteRevision'),
    route_id: routeId,
    number,
    kind,
    actor_id: origin.actorId,
    actor_label: origin.actorLabel,
    reason: origin.reason,
    config_version: origin.configVersion,
    created_at: origin.at,
    state: JSON.stringify(state),
  }
}

/** A committed state of a route, by its number. */
export async function findRouteRevisionState(
  db: Db,
  routeId: string,
  number: number,
): Promise<RouteRevisionState | undefined> {
  const row = await db
    .selectFrom('route_revision')
    .select('state')
    .where('route_id', '=', routeId)
    .where('number', '=', number)
    .executeTakeFirst()
  return row?.state
}
