/** Loaders that read in batches: one statement for all objects of a level, whatever their number. */
import DataLoader from 'dataloader'
import type { Db } from '../../storage/database/db.ts'
import type { Page, PageRequest } from '../../storage/database/page.ts'

/** Most ids in one statement. */
export const maxBatchSize = 1_000

/** Objects by their ids; null where there is none. */
export function byId<Row extends { readonly id: string }>(
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

/** All rows of each parent. */
export function byParent<Row>(
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

interface PageOfParent {
  readonly parentId: string
  readonly request: PageRequest
}

const emptyPage = { rows: [], hasMore: false }

/** One page of the rows of each parent. */
export function pagesOf<Row>(
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

/** The number of rows of each parent. */
export function countsOf(
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
