import type { Db } from '../../storage/database/db.ts'
import { listRateLimitsByIds } from '../../storage/limit/read.ts'
import { byId } from '../kit/batch.ts'

/** What is read of rate limits, in batches. */
export function limitLoaders(db: Db) {
  return {
    rateLimit: byId(db, listRateLimitsByIds),
  }
}

export const limitPayloadParts = { rateLimit: ['rateLimit'] } as const
