import type { Db } from '../../storage/database/db.ts'
import { listApiKeysByIds, listRoutesOfApiKeys } from '../../storage/api-key/read.ts'
import { byId, byParent } from '../kit/batch.ts'

/** What is read of API keys, in batches. */
export function apiKeyLoaders(db: Db) {
  return {
    apiKey: byId(db, listApiKeysByIds),
    routesOfApiKey: byParent(db, listRoutesOfApiKeys, (row) => row.api_key_id),
  }
}

export const apiKeyPayloadParts = { apiKey: ['apiKey', 'routesOfApiKey'] } as const
