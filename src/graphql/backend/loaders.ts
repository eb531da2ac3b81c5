import type { Db } from '../../storage/database/db.ts'
import { countRoutesOfBackends, listRoutesOfBackends } from '../../storage/route/read.ts'
import { pagesOf, countsOf } from '../kit/batch.ts'

/** What is read of backends, in batches. */
export function backendLoaders(db: Db) {
  return {
    routesOfBackend: pagesOf(db, listRoutesOfBackends),
    routeCountOfBackend: countsOf(db, countRoutesOfBackends),
  }
}
