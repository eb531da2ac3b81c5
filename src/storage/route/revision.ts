import type { HistoryOrigin } from '../audit/write.ts'
import type { RouteChangeKind, RouteRevisionState } from './tables.ts'
import { createId } from '../database/create-id.ts'
import type { Db, Tx } from '../database/db.ts'

/** A state of a route as a change made it. */
export interface RouteRevisionDraft {
  readonly routeId: string
  readonly number: number
  readonly kind: RouteChangeKind
  readonly state: RouteRevisionState
}

/** Adds committed states to the history of their routes. */
export async function insertRouteRevisions(
  tx: Tx,
  origin: HistoryOrigin,
  drafts: readonly RouteRevisionDraft[],
): Promise<void> {
  if (drafts.length === 0) return
  await tx
    .insertInto('route_revision')
    .values(
      drafts.map((draft) => ({
        id: createId('RouteRevision'),
        route_id: draft.routeId,
        number: draft.number,
        kind: draft.kind,
        actor_id: origin.actorId,
        actor_label: origin.actorLabel,
        reason: origin.reason,
        config_version: origin.configVersion,
        created_at: origin.at,
        state: JSON.stringify(draft.state),
      })),
    )
    .execute()
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
