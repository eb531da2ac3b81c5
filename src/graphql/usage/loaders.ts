import type { Db } from '../../storage/database/db.ts'
import { listRequestLogsByIds } from '../../storage/usage/request-log.ts'
import { byId } from '../kit/batch.ts'

/** What is read of the request log, in batches. */
export function usageLoaders(db: Db) {
  return {
    requestLog: byId(db, listRequestLogsByIds),
  }
}
