import DataLoader from 'dataloader'
import type { Db } from '../../storage/database/db.ts'
import { listAccessApiKeys } from '../../storage/api-key/read.ts'
import {
  countRevisionsOfRoutes,
  listDestinationsOfRoutes,
  listRevisionsByIds,
  listRevisionsOfRoutes,
  listRoutesByIds,
  listTargetsByIds,
  type RouteDestinations,
} from '../../storage/route/read.ts'
import { listAccessUsers } from '../../storage/user/read.ts'
import { byId, byParent, pagesOf, countsOf, maxBatchSize } from '../kit/batch.ts'

/** What is read of routes, in batches. */
export function routeLoaders(db: Db) {
  return {
    route: byId(db, listRoutesByIds),
    target: byId(db, listTargetsByIds),
    revision: byId(db, listRevisionsByIds),
    destinationsOfRoute: destinationsOf(db),
    accessUsersOfRoute: byParent(db, listAccessUsers, (row) => row.route_id),
    accessApiKeysOfRoute: byParent(db, listAccessApiKeys, (row) => row.route_id),
    revisionsOfRoute: pagesOf(db, listRevisionsOfRoutes),
    revisionCountOfRoute: countsOf(db, countRevisionsOfRoutes),
  }
}

const noDestinations: RouteDestinations = { targets: [], fallbackBackendIds: [] }

function destinationsOf(db: Db): DataLoader<string, RouteDestinations> {
  return new DataLoader(
    async (routeIds) => {
      const destinations = await listDestinationsOfRoutes(db, routeIds)
      return routeIds.map((id) => destinations.get(id) ?? noDestinations)
    },
    { maxBatchSize },
  )
}

export const routePayloadParts = { route: ['route', 'destinationsOfRoute'] } as const
