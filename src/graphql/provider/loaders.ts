import type { Db } from '../../storage/database/db.ts'
import {
  listCredentialsOfProviders,
  listHeaderNamesOfProviders,
  listModelsOfProviders,
  listProviderModelsByIds,
  listProvidersByIds,
} from '../../storage/provider/read.ts'
import { byId, byParent } from '../kit/batch.ts'

/** What is read of providers and their models, in batches. */
export function providerLoaders(db: Db) {
  return {
    provider: byId(db, listProvidersByIds),
    providerModel: byId(db, listProviderModelsByIds),
    modelsOfProvider: byParent(db, listModelsOfProviders, (row) => row.provider_id),
    credentialsOfProvider: byParent(db, listCredentialsOfProviders, (row) => row.provider_id),
    headerNamesOfProvider: byParent(db, listHeaderNamesOfProviders, (row) => row.provider_id),
  }
}

export const providerPayloadParts = {
  provider: ['provider', 'modelsOfProvider', 'credentialsOfProvider', 'headerNamesOfProvider'],
} as const
