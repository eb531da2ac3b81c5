/** What is reached through a list is read in batches: one statement for all objects of a level, whatever their number. */
import DataLoader from 'dataloader'
import {
  countApiKeysOfUsers,
  listAccessApiKeys,
  listApiKeysByIds,
  listApiKeysOfUsers,
  listRoutesOfApiKeys,
} from '../../storage/api-key/read.ts'
import { listAuditEntriesByIds } from '../../storage/audit/read.ts'
import type { Db } from '../../storage/database/db.ts'
import { listDeploymentProbes } from '../../storage/deployment/probe.ts'
import { listDeploymentsByIds, listEndpointsByIds, listEndpointsOfDeployments } from '../../storage/deployment/read.ts'
import type { Page, PageRequest } from '../../storage/database/page.ts'
import { listBudgetsByIds } from '../../storage/budget/read.ts'
import { listRateLimitsByIds } from '../../storage/limit/read.ts'
import {
  listCredentialsOfProviders,
  listHeaderNamesOfProviders,
  listModelsOfProviders,
  listProviderModelsByIds,
  listProvidersByIds,
} from '../../storage/provider/read.ts'
import {
  countRevisionsOfRoutes,
  countRoutesOfBackends,
  listArrowsOfRoutes,
  listRevisionsByIds,
  listRevisionsOfRoutes,
  listRoutesByIds,
  listRoutesOfBackends,
  listTargetsByIds,
  type RouteArrows,
} from '../../storage/route/read.ts'
import { listRequestLogsByIds } from '../../storage/usage/request-log.ts'
import { listSpoolStatus, type SpoolStatus } from '../../storage/usage/ledger/progress.ts'
import { listAccessUsers, listUsersByIds } from '../../storage/user/read.ts'

export type Loaders = ReturnType<typeof createLoaders>

/** Loaders that remember what they read: for one request, or one event of a subscription. */
export function createLoaders(db: Db) {
  return {
    provider: byId(db, listProvidersByIds),
    providerModel: byId(db, listProviderModelsByIds),
    deployment: byId(db, listDeploymentsByIds),
    endpoint: byId(db, listEndpointsByIds),
    route: byId(db, listRoutesByIds),
    target: byId(db, listTargetsByIds),
    revision: byId(db, listRevisionsByIds),
    user: byId(db, listUsersByIds),
    apiKey: byId(db, listApiKeysByIds),
    rateLimit: byId(db, listRateLimitsByIds),
    budget: byId(db, listBudgetsByIds),
    auditEntry: byId(db, listAuditEntriesByIds),
    requestLog: byId(db, listRequestLogsByIds),

    modelsOfProvider: byParent(db, listModelsOfProviders, (row) => row.provider_id),
    credentialsOfProvider: byParent(db, listCredentialsOfProviders, (row) => row.provider_id),
    headerNamesOfProvider: byParent(db, listHeaderNamesOfProviders, (row) => row.provider_id),
    endpointsOfDeployment: byParent(db, listEndpointsOfDeployments, (row) => row.deployment_id),
    probesOfDeployment: byParent(db, listDeploymentProbes, (row) => row.deployment_id),
    arrowsOfRoute: arrowsOf(db),
    accessUsersOfRoute: byParent(db, listAccessUsers, (row) => row.route_id),
    accessApiKeysOfRoute: byParent(db, listAccessApiKeys, (row) => row.route_id),
    routesOfApiKey: byParent(db, listRoutesOfApiKeys, (row) => row.api_key_id),

    routesOfBackend: pagesOf(db, listRoutesOfBackends),
    revisionsOfRoute: pagesOf(db, listRevisionsOfRoutes),
    apiKeysOfUser: pagesOf(db, listApiKeysOfUsers),
    routeCountOfBackend: countsOf(db, countRoutesOfBackends),
    revisionCountOfRoute: countsOf(db, countRevisionsOfRoutes),
    apiKeyCountOfUser: countsOf(db, countApiKeysOfUsers),
    spoolStatus: spoolStatusOf(db),
  }
}

/** Most ids in one statement. */
const maxBatchSize = 1_000

function byId<Row extends { readonly id: string }>(
  db: Db,
  list: (db: Db, ids: readonly string[]) => Promise<Row[]>,
): DataLoader<string, Row | null> {
  return new DataLoader(
    async (ids) => {
      const rows = new Map((await list(db, ids)).map((row) => [row.id, row]))
      return ids.map((id) => rows.get(id) ?? null)
    },
    { maxBatchSize },
  )
}

function byParent<Row>(
  db: Db,
  list: (db: Db, parentIds: readonly string[]) => Promise<Row[]>,
  parentOf: (row: Row) => string,
): DataLoader<string, readonly Row[]> {
  return new DataLoader(
    async (parentIds) => {
      const rows = Map.groupBy(await list(db, parentIds), parentOf)
      return parentIds.map((id) => rows.get(id) ?? [])
    },
    { maxBatchSize },
  )
}

const noArrows: RouteArrows = { targets: [], fallbackBackendIds: [] }

function arrowsOf(db: Db): DataLoader<string, RouteArrows> {
  return new DataLoader(
    async (routeIds) => {
      const arrows = await listArrowsOfRoutes(db, routeIds)
      return routeIds.map((id) => arrows.get(id) ?? noArrows)
    },
    { maxBatchSize },
  )
}

function spoolStatusOf(db: Db): DataLoader<string, SpoolStatus> {
  return new DataLoader(async (spoolIds) => {
    const status = await listSpoolStatus(db, spoolIds)
    return spoolIds.map((id) => status.get(id)!)
  })
}

interface PageOfParent {
  readonly parentId: string
  readonly request: PageRequest
}

const emptyPage = { rows: [], hasMore: false }

function pagesOf<Row>(
  db: Db,
  list: (db: Db, parentIds: readonly string[], request: PageRequest) => Promise<Map<string, Page<Row>>>,
): DataLoader<PageOfParent, Page<Row>, string> {
  return new DataLoader<PageOfParent, Page<Row>, string>(
    async (keys) => {
      const pages = new Map<string, Promise<Map<string, Page<Row>>>>()
      for (const [name, group] of Map.groupBy(keys, ({ request }) => JSON.stringify(request))) {
        const parentIds = group.map(({ parentId }) => parentId)
        pages.set(name, list(db, parentIds, group[0]!.request))
      }
      return Promise.all(
        keys.map(
          async ({ parentId, request }) => (await pages.get(JSON.stringify(request))!).get(parentId) ?? emptyPage,
        ),
      )
    },
    { maxBatchSize, cacheKeyFn: ({ parentId, request }) => `${parentId} ${JSON.stringify(request)}` },
  )
}

function countsOf(
  db: Db,
  count: (db: Db, parentIds: readonly string[]) => Promise<Map<string, number>>,
): DataLoader<string, number> {
  return new DataLoader(
    async (parentIds) => {
      const counts = await count(db, parentIds)
      return parentIds.map((id) => counts.get(id) ?? 0)
    },
    { maxBatchSize },
  )
}
